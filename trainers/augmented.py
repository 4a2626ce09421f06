"""Augmented fine-tuning: a BiLSTM-CRF over mapped word vectors, no pretrained encoder (Bari et al., AAAI 2020).

    python trainers/augmented.py --source conll2003:en --target conll2002:es --mapping maps/en-es \\
        --output_dir runs/augmented-es --variants all --seeds 1 2 3 --select_on source_dev
    python trainers/augmented.py --source conll2003:en --target aqmar:ar --source_vectors en.vec \\
        --target_vectors ar.vec --mapped target --scheme iob2 --augment_from cross_word_no_char \\
        --output_dir runs/augmented-ar

`maps/en-es` is a folder made by `xner vectors map`, the `.vec` files by `xner vectors train` (or fastText).

Everything is in `hf_xner/systems/augmented.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["augmented", *sys.argv[1:]]))
