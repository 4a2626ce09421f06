"""Start a system: the one code path behind `trainers/*.py`, `xner train`, `python -m hf_xner.launch` and Python calls.

    accelerate launch trainers/tsl.py --source conll2003:en --target conll2002:es --output_dir runs/tsl-es
    accelerate launch -m hf_xner.launch tsl --source conll2003:en --target conll2002:es --output_dir runs/tsl-es
    xner train tsl --source conll2003:en --target conll2002:es --output_dir runs/tsl-es

    from hf_xner.launch import train
    results = train("tsl", source=["conll2003:en"], target="conll2002:es", output_dir="runs/tsl-es")

Options may also come from a YAML or JSON file; those after it go before its own:
`xner train tsl settings.yaml --seeds 2`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, NoReturn

from hf_xner.errors import InputError

SYSTEMS = {
    "supervised": "an ordinary tagger from labelled sentences: teachers and upper bounds",
    "tsl": "teacher-student learning (Wu et al., ACL 2020)",
    "unitrans": "model and data transfer unified, with a vote (Wu et al., IJCAI 2020)",
    "transadv": "four teachers against language and order adversaries (Findings of EMNLP 2022); AdvPicker (ACL 2021)",
    "msd": "mixture of short-channel distillers: every upper layer teaches (Ma et al., EMNLP 2022)",
    "augmented": "BiLSTM-CRF over mapped word vectors, no pretrained encoder (Bari et al., AAAI 2020)",
}


SETTINGS = (".yaml", ".yml", ".json")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of a system's figure; shows defaults."""


def train(system: str, **options: Any) -> dict[str, Any]:
    """Run a system from Python, in a notebook for instance.

    Args:
        system: One of `SYSTEMS`.
        options: Its options by name; see `xner train SYSTEM --help`.

    Returns:
        What `results.json` in the run folder holds (for a dry run: the plan).

    Raises:
        InputError: An option is unknown or cannot be meant, or the data do not fit.
    """
    from hf_xner.systems.runner import run_system

    module = _module(system)
    unknown = sorted(set(options) - {field.name for field in fields(module.Arguments)})
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}", where=system, remedy=f"see `xner train {system} --help`")
    arguments = module.Arguments(**options)
    return run_system(system, module, arguments, command=command_of(system, arguments))


def command_of(system: str, arguments: Any) -> list[str]:
    """The command line that means the same as options from Python or from a file.

    Args:
        system: The system's name.
        arguments: Its options.
    """
    words = ["xner", "train", system]
    for option in fields(arguments):
        value = getattr(arguments, option.name)
        default = option.default_factory() if callable(option.default_factory) else option.default
        if value not in (default, None):
            values = list(map(str, value if isinstance(value, list) else [value]))
            dashed = len(values) == 1 and values[0].startswith("-")  # would be taken for an option
            words += [f"--{option.name}={values[0]}"] if dashed else [f"--{option.name}", *values]
    return words


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `SYSTEM OPTIONS…` and run it.

    Returns:
        The exit code: 0, or 2 after a mistake of the user's, told in one line on stderr.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if not argv or argv[0] in ("-h", "--help"):
            print(_overview())
            return 0
        module = _module(argv[0])
        from_file = len(argv) > 1 and argv[1].endswith(SETTINGS)
        arguments = _parse(module, argv[0], argv[1:])
        _talk_to_people()
        from hf_xner.systems.runner import run_system

        run_system(argv[0], module, arguments, command=command_of(argv[0], arguments) if from_file else None)
    except InputError as error:
        if _is_main_process():  # every process of a launch meets the same mistake
            print(f"xner: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _talk_to_people() -> None:
    """Stages to stderr, from the main process; progress bars only where somebody watches."""
    import datasets
    from transformers.utils import logging as transformers_logging

    if _is_main_process():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        package = logging.getLogger("hf_xner")
        package.addHandler(handler)
        package.setLevel(logging.INFO)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        transformers_logging.disable_progress_bar()


def _module(system: str) -> Any:
    if system not in SYSTEMS:
        raise InputError(f"there is no system {system!r}", remedy=f"choose one of {', '.join(SYSTEMS)}")
    return import_module(f"hf_xner.systems.{system}")


def _parse(module: Any, system: str, argv: list[str]) -> Any:
    from transformers import HfArgumentParser

    remedy = f"see `xner train {system} --help`"

    def refuse(message: str) -> NoReturn:
        raise InputError(message, where=system, remedy=remedy)

    parser = HfArgumentParser(
        module.Arguments,
        prog=f"xner train {system}",
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=_HelpFormatter,
    )
    parser.error = refuse  # type: ignore[method-assign]
    from_file: dict[str, Any] | None = None
    if argv and argv[0].endswith(SETTINGS):
        from_file = _options_in(argv[0], module.Arguments, remedy)
        argv = argv[1:]
    for action in parser._actions:
        if action.nargs == "+":  # an option without a value is an empty list
            action.nargs = "*"
        if from_file is not None:  # only what is given goes before the file's
            action.default, action.required = argparse.SUPPRESS, False
    _, unknown = parser.parse_known_args(argv)
    if unknown:
        refuse(f"unknown option {unknown[0]!r}")
    if from_file is not None:
        return module.Arguments(**from_file | vars(parser.parse_args(argv)))
    return parser.parse_args_into_dataclasses(argv)[0]


def _options_in(path: str, arguments: type, remedy: str) -> dict[str, Any]:
    """Options from a YAML or JSON file (JSON is YAML), by name."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            options = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = path if mark is None else f"{path}:{mark.line + 1}"
        raise InputError(str(getattr(error, "problem", error)).splitlines()[0], where=where, remedy=remedy) from error
    if not isinstance(options, dict):
        raise InputError("expected options by name, as in `target: conll2002:es`", where=path, remedy=remedy)
    unknown = sorted(set(options) - {field.name for field in fields(arguments)}, key=str)
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}", where=path, remedy=remedy)
    return options


def _overview() -> str:
    width = max(map(len, SYSTEMS))
    lines = [f"  {name.ljust(width)}  {what}" for name, what in SYSTEMS.items()]
    return "\n".join(["usage: xner train SYSTEM [options] | xner train SYSTEM settings.yaml [options]", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
