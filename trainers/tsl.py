"""TSL: a student of one teacher, trained on unlabelled target text (Wu et al., ACL 2020).

    accelerate launch trainers/tsl.py --source conll2003:en --target conll2002:es --output_dir runs/tsl-es
    accelerate launch trainers/tsl.py --source conll2003:en --target conll2002:es --output_dir runs/tsl-es \\
        --variants mt hl tsl supervised --seeds 1 2 3 --encoder bert-base-multilingual-cased

Everything is in `hf_xner/systems/tsl.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["tsl", *sys.argv[1:]]))
