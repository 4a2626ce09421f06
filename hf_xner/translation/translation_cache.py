"""Translations that cost something, kept on disk by what was translated and by whom."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.translation.translators import PhraseTranslator
from hf_xner.translation.vector_cache import cache_folder

WAIT_SECONDS = 60.0  # for another process that writes


class TranslationCache:
    """A file of translations, safe to share between processes.

    Args:
        path: The file; `translations.sqlite` in `cache_folder()` by default.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else cache_folder() / "translations.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._connect() as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS translations (key BLOB PRIMARY KEY, text TEXT)")
                connection.execute("CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY, version TEXT)")
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"is no cache of translations ({error})", where=str(self.path), remedy="remove it or name another file"
            ) from None

    def get(self, identity: str, texts: Sequence[str]) -> dict[str, str]:
        """The texts whose translation by `identity` is known, with it."""
        known: dict[str, str] = {}
        connection = self._connect()
        try:
            for text in dict.fromkeys(texts):
                row = connection.execute(
                    "SELECT text FROM translations WHERE key = ?", (_key(identity, text),)
                ).fetchone()
                if row:
                    known[text] = row[0]
        finally:
            connection.close()
        return known

    def put(self, identity: str, translations: dict[str, str]) -> None:
        """Keep translations; they are on disk when this returns."""
        connection = self._connect()
        try:
            with connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO translations VALUES (?, ?)",
                    [(_key(identity, text), translation) for text, translation in translations.items()],
                )
        finally:
            connection.close()

    def version(self, model: str) -> str | None:
        """The version of a model that its translations were last asked from; None for one not heard of."""
        connection = self._connect()
        try:
            row = connection.execute("SELECT version FROM models WHERE name = ?", (model,)).fetchone()
        finally:
            connection.close()
        return row[0] if row else None

    def put_version(self, model: str, version: str) -> None:
        """Keep a model's version: without the model at hand, it still tells which translations are its own."""
        connection = self._connect()
        try:
            with connection:
                connection.execute("INSERT OR REPLACE INTO models VALUES (?, ?)", (model, version))
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=WAIT_SECONDS)


class CachedTranslator:
    """A translator that asks another one only for what it has not been told before.

    Every batch is kept as soon as it is there, so that a failure in the middle loses nothing: the same call again goes
    on where it stopped.

    Args:
        translator: The translator.
        cache: The cache.
        batch: Texts asked for at once.
        offline: Answer from the cache alone.
        on_progress: Called after each batch with (done, to do).
    """

    def __init__(
        self,
        translator: PhraseTranslator,
        cache: TranslationCache,
        *,
        batch: int = 64,
        offline: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.translator = translator
        self.cache = cache
        self.batch = batch
        self.offline = offline
        self.on_progress = on_progress
        self.identity = translator.identity

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        """Translate words, from the cache where it knows them."""
        return self._translate(words, "word", self.translator.translate_words)

    def translate_phrases(self, phrases: Sequence[str]) -> list[str | None]:
        """Translate phrases, from the cache where it knows them."""
        return self._translate(phrases, "phrase", self.translator.translate_phrases)

    def _translate(
        self, texts: Sequence[str], kind: str, translate: Callable[[Sequence[str]], list[str | None]]
    ) -> list[str | None]:
        identity = f"{self.identity}:{kind}"
        known: dict[str, Any] = dict(self.cache.get(identity, texts))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing and self.offline:
            raise InputError(
                f"{len(missing)} of {len(set(texts))} texts are not in the cache, {missing[0]!r} among them",
                where=str(self.cache.path),
                remedy="translate once without --offline",
            )
        total, stream = len(missing), iter(missing)
        while chunk := list(islice(stream, self.batch)):
            fresh = dict(zip(chunk, translate(chunk), strict=True))
            self.cache.put(identity, {text: "" if found is None else found for text, found in fresh.items()})
            known.update(fresh)
            if self.on_progress:
                self.on_progress(len(known) - (len(set(texts)) - total), total)
        return [known[text] or None for text in texts]


def _key(identity: str, text: str) -> bytes:
    return hashlib.sha256(f"{identity}\0{text}".encode()).digest()
