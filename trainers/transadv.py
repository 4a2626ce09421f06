"""TransAdv: four adversarially trained teachers from translated data (EMNLP Findings 2022), and AdvPicker (ACL 2021).

    accelerate launch trainers/transadv.py --source conll2003:en --target conll2002:es --mapping maps/en-es \\
        --output_dir runs/transadv-es
    accelerate launch trainers/transadv.py --source conll2003:en --target conll2002:es --mapping maps/en-es \\
        --output_dir runs/transadv-es-table --variants all --seeds 1 2 3 --select_on target_dev --teachers_like_student
    accelerate launch trainers/transadv.py --source conll2003:en --target conll2002:es --variants advpicker \\
        --output_dir runs/advpicker-es

`maps/en-es` is a folder made by `xner vectors map`; a dictionary, a translation model, Google or vectors do as
well. AdvPicker translates nothing. The second command makes the papers' table, every model picked on the target's dev
set; without `--teachers_like_student` teachers are picked on the source's.

Everything is in `hf_xner/systems/transadv.py`; `--help` lists the options.
"""

from __future__ import annotations

import sys

from hf_xner.launch import main

if __name__ == "__main__":
    sys.exit(main(["transadv", *sys.argv[1:]]))
