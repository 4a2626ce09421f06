"""TSL: a student of one or several teachers, trained on unlabelled target text (Wu et al., ACL 2020).

    accelerate launch trainers/tsl.py --source conll2003:en --target conll2002:es --output_dir runs/tsl-es
    accelerate launch trainers/tsl.py --source conll2003:en --target conll2002:es --output_dir runs/tsl-es \\
        --variants mt hl tsl supervised --seeds 1 2 3 --encoder bert-base-multilingual-cased

Several sources, weighted by learned similarity, with every row of the paper's tables; and teachers that are there
already, without any labelled sentence, for a language of which there is only text:

    accelerate launch trainers/tsl.py --source conll2003:en conll2002:nl --target conll2002:es \\
        --output_dir runs/tsl-multi-es --variants all --seeds 1 2 3
    accelerate launch trainers/tsl.py --teacher ORG/MODEL runs/tsl-de --target mytext.txt --output_dir runs/mine

Everything is in `hf_xner/systems/tsl.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["tsl", *sys.argv[1:]]))
