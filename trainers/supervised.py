"""An ordinary tagger from labelled sentences: a teacher, or an upper bound.

    accelerate launch trainers/supervised.py --source conll2003:en --output_dir runs/supervised-en

Everything is in `hf_xner/systems/supervised.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["supervised", *sys.argv[1:]]))
