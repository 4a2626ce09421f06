"""The user's text as a stream of sentences, whatever file it is in, and the digest that tells whether it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from hf_xner.data.formats.text import COMPRESSED, open_bytes
from hf_xner.errors import InputError
from hf_xner.inference.inputs import Item, kind_of, read_items
from hf_xner.inference.text import iterate_sentences, split_words


class TextFile:
    """A file that is read sentence by sentence, as often as needed.

    Args:
        path: A file of raw text, words, CoNLL columns or JSON lines; tags in it are not looked at.
        kind: "text", "words", "conll" or "jsonl"; None for what its extension says.

    Raises:
        InputError: It cannot be read twice, or nothing says what is in it.
    """

    def __init__(self, path: str | Path, kind: str | None = None) -> None:
        self.path = Path(path)
        if str(path) == "-" or (self.path.exists() and not self.path.is_file()):
            raise InputError(
                "the text is read more than once, which a pipe does not allow",
                where=str(path),
                remedy="write it into a file and give that",
            )
        self.kind = kind_of(str(path), kind)

    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        digest = hashlib.sha256()
        with self._opened() as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    def sentences(self) -> Iterator[list[str]]:
        """Yield the words of every sentence that has any.

        Raises:
            InputError: The file is missing, or a line is not what the kind says.
        """
        with self._opened() as stream:
            for item in read_items(stream, str(self.path), self.kind):
                for words in _split(item):
                    if words:
                        yield words

    def _opened(self) -> AbstractContextManager[IO[bytes]]:
        if self.path.suffix.lower() in COMPRESSED:
            return open_bytes(self.path)
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(
                f"cannot read the file ({error.strerror})", where=str(self.path), remedy="check the path"
            ) from error


def _split(item: Item) -> Iterator[list[str]]:
    if isinstance(item.content, str):
        for sentence in iterate_sentences(item.content):
            yield [word.text for word in split_words(sentence.text)]
    else:
        yield item.content
