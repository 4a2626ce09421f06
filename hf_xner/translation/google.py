"""Google Cloud Translation (v2, REST) with nothing but the standard library."""

from __future__ import annotations

import html
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any

from hf_xner.errors import InputError

KEY_VARIABLE = "GOOGLE_TRANSLATE_API_KEY"
ENDPOINT = "https://translation.googleapis.com/language/translate/v2"
MAX_TEXTS = 128  # the service's limit a request
TRANSIENT = {408, 429, 500, 502, 503, 504}
LIMITED = "LimitExceeded"  # how the reasons end that the service gives with 403 where others say 429


class GoogleTranslator:
    """Asks Google's service; use it inside a `CachedTranslator`, so that nothing is paid for twice.

    Args:
        source: Source language, `en`.
        target: Target language, `es`.
        endpoint: Address of the service.
        attempts: Tries of one request before giving up; the pause doubles each time, from `pause` seconds on.
        pause: First pause.
        timeout: Seconds that one request may take.
        sleep: What waits.
    """

    def __init__(
        self,
        source: str,
        target: str,
        *,
        endpoint: str = ENDPOINT,
        attempts: int = 5,
        pause: float = 1.0,
        timeout: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source = source
        self.target = target
        self.endpoint = endpoint
        self.attempts = attempts
        self.pause = pause
        self.timeout = timeout
        self._sleep = sleep
        self.identity = f"google:v2:{source}:{target}"

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        """Translate every word on its own."""
        return self.translate_phrases(words)

    def translate_phrases(self, phrases: Sequence[str]) -> list[str | None]:
        """Translate every phrase on its own.

        Raises:
            InputError: The environment holds no key (`GOOGLE_TRANSLATE_API_KEY`), the service refuses, or it does not
                answer however often it is asked.
        """
        results: list[str | None] = []
        for begin in range(0, len(phrases), MAX_TEXTS):
            results += self._request(list(phrases[begin : begin + MAX_TEXTS]))
        return results

    def _request(self, texts: list[str]) -> list[str | None]:
        body = {"q": texts, "source": self.source, "target": self.target, "format": "text"}
        answer = self._ask(json.dumps(body).encode())
        try:
            found = [html.unescape(item["translatedText"]).strip() or None for item in answer["data"]["translations"]]
        except (KeyError, TypeError):
            found = []
        if len(found) != len(texts):
            raise InputError(
                f"answered {len(texts)} texts with {len(found)} translations", where=self.endpoint, remedy=_AGAIN
            )
        return found

    def _ask(self, body: bytes) -> Any:
        # In a header, not in the address, which ends up in logs.
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            raise InputError("no key for Google's translation service", where=KEY_VARIABLE, remedy="set it to yours")
        headers = {"Content-Type": "application/json", "X-Goog-Api-Key": key}
        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                self._sleep(self.pause * 2 ** (attempt - 1))
            request = urllib.request.Request(self.endpoint, data=body, headers=headers, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    return json.loads(response.read().decode("utf-8"))
            except urllib.error.HTTPError as error:
                message, limited = _refusal(error)
                reason = f"HTTP {error.code} {message}"
                if error.code not in TRANSIENT and not limited:
                    raise InputError(
                        f"refused the request ({reason})", where=self.endpoint, remedy="check key and languages"
                    ) from None
            except (OSError, HTTPException, ValueError) as error:
                reason = str(getattr(error, "reason", error))
        raise InputError(f"no answer in {self.attempts} attempts ({reason})", where=self.endpoint, remedy=_AGAIN)


_AGAIN = "run the same command again: what is translated already is kept"


def _refusal(error: urllib.error.HTTPError) -> tuple[str, bool]:
    """The service's message, and whether the request came too early rather than was wrong."""
    try:
        facts = json.loads(error.read().decode("utf-8"))["error"]
        message = str(facts["message"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return str(error.reason), False
    details = facts.get("errors")
    reasons = [str(detail.get("reason")) for detail in details if isinstance(detail, dict)] if details else []
    return message, error.code == 403 and any(reason.endswith(LIMITED) for reason in reasons)
