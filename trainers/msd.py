"""MSD: every upper layer of the teacher is distilled, and MMD draws the languages together (Ma et al., EMNLP 2022).

    accelerate launch trainers/msd.py --source conll2003:en --target conll2002:es --output_dir runs/msd-es
    accelerate launch trainers/msd.py --source conll2003:en --target conll2002:es --output_dir runs/msd-es \\
        --variants all --seeds 1 2 3 --encoder bert-base-multilingual-cased

Everything is in `hf_xner/systems/msd.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["msd", *sys.argv[1:]]))
