"""Nothing private leaves the machine: records are cleaned of paths and names, and everything is checked before a push.

Two lines of defence: `cleaned_results` and `cleaned_config` take out what has no business in a repository, and
`refuse_private` reads every file that is to go up, whoever wrote it, and refuses what is left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.hub.files import Upload
from hf_xner.hub.machine import Machine
from hf_xner.hub.secrets import find_secrets

# What transformers notes about the place a model or tokenizer was loaded from.
LOADED_FROM = ("_name_or_path", "name_or_path", "_commit_hash", "is_local", "local_files_only", "tokenizer_file")
VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json")
WORD_LIST = ".txt"
BINARY = ".model"
RECORDS = (".json", ".yaml")
WEIGHTS = ".safetensors"
_LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


def cleaned_results(results: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """`results.json` as it is published.

    Args:
        results: Its content.
        machine: Whose paths and names are taken out.
    """
    content = dict(results)
    command = content.pop("command", "")
    cleaned = machine.clean(content)
    return {"system": cleaned.pop("system", ""), "command": machine.clean_command(str(command)), **cleaned}


def cleaned_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of transformers without where it was loaded from."""
    return {
        key: cleaned_config(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in LOADED_FROM
    }


def refuse_private(files: Iterable[Upload], machine: Machine, known: Mapping[str, str]) -> None:
    """Read all that is to go up and refuse secrets, paths, and names of the machine and its user.

    Args:
        files: The files.
        machine: Whose paths and names are looked for.
        known: Secrets that are known, and what they are.

    Raises:
        InputError: Something was found; the message says in which file and what kind of thing, never the thing.
    """
    # Files of the run first: what is wrong there is wrong in what was made from them too.
    for file in sorted(files, key=lambda file: file.source is None):
        found = list(dict.fromkeys(_private(file, machine, known)))
        if found:
            raise InputError(
                f"holds {' and '.join(found)}, and nothing was sent",
                where=str(file.source or file.path),
                remedy="take it out of the file and push again (a secret that has been written down needs replacing)",
            )


def _private(file: Upload, machine: Machine, known: Mapping[str, str]) -> Iterator[str]:
    name = Path(file.path).name
    text = _weights_notes(file) if name.endswith(WEIGHTS) else file.read().decode("utf-8", "replace")
    vocabulary = name in VOCABULARIES or name.endswith((WORD_LIST, BINARY))
    yield from find_secrets(text, known, settings=not vocabulary)
    if vocabulary:
        # A vocabulary holds words and pieces of web text: only this machine's own home folder means anything in it.
        if len(machine.home) > len("/root") and machine.home in text:
            yield "your home folder"
    else:
        yield from machine.find(text, prose=not name.endswith(RECORDS))


def _weights_notes(file: Upload) -> str:
    """What a safetensors file says beside its numbers: its header begins with its own length, in 8 bytes."""
    head = file.read(8)
    size = min(int.from_bytes(head, "little"), _LONGEST_HEADER)
    try:
        header = json.loads(file.read(8 + size)[8:])
    except ValueError:
        raise InputError("is no safetensors file", where=str(file.source or file.path)) from None
    return json.dumps(header.get("__metadata__", {}), ensure_ascii=False)
