"""Print sentences with their tags, for whoever writes frames: ``python -m hf_xner.data.sample es 20``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .generator import generate, read_frames, read_lists


def main(arguments: Sequence[str]) -> int:
    """Generate and print.

    Args:
        arguments: Language and number of sentences.

    Returns:
        The exit code.
    """
    language, count = arguments
    for tokens, tags in generate(read_frames(language), read_lists(language), int(count)):
        print(" ".join(token if tag == "O" else f"[{token}|{tag}]" for token, tag in zip(tokens, tags, strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
