"""Passwords, tokens and keys: how they look, and which ones this process knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

_LEAST = 8  # a shorter value of an environment variable is no secret that could be looked for in text
_NAMES = r"(?:passw(?:or)?d|secret|api[_-]?key|access[_-]?key|(?:auth|hf|access)[_-]?token)"
_SHAPES = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{20,}",
    "an OpenAI or Anthropic key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{5,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
# These mean something in settings and command lines, not in a vocabulary made of web text.
_SETTINGS = {
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:[^\s/@'\"]+@",
    "a secret option": rf"(?i)--[\w-]*(?:{_NAMES}|token)[= ]['\"]?[^\s'\",-][^\s'\",]{{5,}}",
    "a secret setting": rf"(?i)(?:{_NAMES}|['\"]token)['\"]?\s?[=:]\s?['\"]?(?=[^\s'\",}}{{]*\d)[^\s'\",}}{{]{{6,}}",
}
_ALWAYS = {what: re.compile(pattern) for what, pattern in _SHAPES.items()}
_IN_SETTINGS = {what: re.compile(pattern) for what, pattern in _SETTINGS.items()}
_SECRET_VARIABLE = re.compile(r"(?i)(?:token|secret|passw(?:or)?d|(?:api|access|secret|private)_?key|credentials?)$")


def known_secrets(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Secrets that this process knows, and what they are: the Hub's token, and what environment variables hold."""
    from huggingface_hub import get_token

    environment = os.environ if environment is None else environment
    found = {
        value: f"the value of {name}"
        for name, value in environment.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= _LEAST
    }
    token = get_token()
    return found | ({token: "your Hub token"} if token and len(token) >= _LEAST else {})


def find_secrets(text: str, known: Mapping[str, str], *, settings: bool = True) -> Iterator[str]:
    """Say what in `text` looks like a secret, or is one; the secret itself is not told.

    Args:
        text: The text.
        known: What `known_secrets` gives.
        settings: The text is no vocabulary: what stands behind "password" in it is one.
    """
    for value, what in known.items():
        if value in text:
            yield what
    for what, pattern in (_ALWAYS | (_IN_SETTINGS if settings else {})).items():
        if pattern.search(text):
            yield what
