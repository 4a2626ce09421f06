"""UniTrans: teachers from translated data, and a student of their soft and voted labels (Wu et al., IJCAI 2020).

    accelerate launch trainers/unitrans.py --source conll2003:en --target conll2002:es --mapping maps/en-es \\
        --output_dir runs/unitrans-es
    accelerate launch trainers/unitrans.py --source conll2003:en --target conll2002:es --mapping maps/en-es \\
        --output_dir runs/unitrans-es --variants all --seeds 1 2 3 --encoder bert-base-multilingual-cased

`maps/en-es` is a folder made by `xner vectors map`; a dictionary, a translation model, Google or vectors do as well.

Everything is in `hf_xner/systems/unitrans.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["unitrans", *sys.argv[1:]]))
