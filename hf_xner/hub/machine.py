"""What betrays a machine or its user: absolute paths, user names, host names."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hf_xner.systems.portable import without_machine_paths

# Names that say nothing about anybody, or that stand in every record.
_COMMON = frozenset(
    " ".join(
        (
            "admin app augmented bert build ci conll data default demo dev docker guest home host jovyan local",
            "localhost main mbert model msd nobody node none plain research root runner sample server student",
            "supervised tagger teacher test tests tmp train transadv tsl ubuntu unitrans user users vagrant work",
            "worker xner",
        )
    ).split()
)
_ROOTS = (
    "home|Users|root|mnt|media|tmp|var|opt|srv|etc|usr|data|scratch|work|workspace|workspaces|content|kaggle|gpfs|"
    "lustre|nfs|private|Volumes|dbfs|run|proc|export"
)
_BEFORE = r"(?<![^\s=:,'\"(\[])"  # the start of the text, or what may stand before a path
_PATHS = {
    "an absolute path": re.compile(rf"(?<![\w/.:\\-])/(?:{_ROOTS})/[^\s/'\"`<>|)\]]+"),
    "a path in a home folder": re.compile(rf"{_BEFORE}~[\w.-]*/[^\s/'\"`]+"),
    "a Windows path": re.compile(r"(?<![A-Za-z])[A-Za-z]:\\{1,2}[^\s\\'\"`]+"),
    "a network path": re.compile(r"(?<![\\\w])\\{2,4}[\w.-]+\\{1,2}[\w.$-]+"),
    "a file address": re.compile(r"\bfile://\S+"),
}
_FILE_ADDRESS = re.compile(r"\bfile://")
_DOUBLE_SLASH = re.compile(r"(?<![^\s=,'\"(\[])//+")  # of a share, not of an https://
_SOMEBODYS_HOME = re.compile(rf"{_BEFORE}~[\w.-]+/")
_WINDOWS = re.compile(r"(?<![A-Za-z])(?:[A-Za-z]:\\|\\\\)(?:[^\s\\'\"]+\\)*([^\s\\'\"]+)\\?")
_UPWARDS = re.compile(rf"{_BEFORE}(?:\.\./)+(?:[^\s/,'\"]+/)*([^\s/,'\"]+)/?")


@dataclass(frozen=True)
class Machine:
    """The names that a machine and its user go by.

    Attributes:
        users: User names.
        hosts: Host names.
        home: The home folder.
    """

    users: tuple[str, ...]
    hosts: tuple[str, ...]
    home: str

    def knowing(self, public: str) -> Machine:
        """The same machine, where one name is public anyway: that of the account on the Hub."""
        return replace(
            self,
            users=tuple(name for name in self.users if name.lower() != public.lower()),
            hosts=tuple(name for name in self.hosts if name.lower() != public.lower()),
        )

    @cached_property
    def _bare(self) -> dict[str, re.Pattern[str]]:
        """Names as words of their own."""
        return {what: re.compile(rf"(?<![\w-]){words}(?![\w-])") for what, words in self._words()}

    @cached_property
    def _in_running_text(self) -> dict[str, re.Pattern[str]]:
        """Names where they can be nothing else: in an address or a path."""
        return {
            what: re.compile(rf"[/\\@]{words}(?![\w-])|(?<![\w-]){words}(?:@|:\d|[/\\])")
            for what, words in self._words()
        }

    def _words(self) -> list[tuple[str, str]]:
        kinds = {"a user name": self.users, "a host name": self.hosts}
        return [(what, f"(?:{'|'.join(map(re.escape, names))})") for what, names in kinds.items() if names]

    def find(self, text: str, *, prose: bool) -> Iterator[str]:
        """Say what in `text` betrays the machine.

        Args:
            text: The text.
            prose: It is running text or a program, where somebody's user name may be an ordinary word: names count
                only as a part of an address or a path.
        """
        if len(self.home) > 1 and re.search(rf"{re.escape(self.home)}(?![\w-])", text):
            yield "your home folder"
        for what, pattern in (_PATHS | (self._in_running_text if prose else self._bare)).items():
            if pattern.search(text):
                yield what

    def clean(self, value: Any) -> Any:
        """JSON-like `value` without paths and names: of a path the last part stays, of a name its kind."""
        if isinstance(value, str):
            return self._clean_text(value)
        if isinstance(value, dict):
            return {self._clean_text(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        return value

    def clean_command(self, command: str) -> str:
        """A command line, word by word: a path in it may hold spaces."""
        try:
            words = shlex.split(command)
        except ValueError:  # a quote that nobody closed
            return self._clean_text(command)
        return shlex.join(self._clean_text(word) for word in words)

    def _clean_text(self, text: str) -> str:
        text = _SOMEBODYS_HOME.sub("/", _DOUBLE_SLASH.sub("/", _FILE_ADDRESS.sub("", text)))
        text = _UPWARDS.sub(r"\1", _WINDOWS.sub(r"\1", without_machine_paths(text)))
        for what, pattern in self._bare.items():
            text = pattern.sub(what.split()[1], text)
        return text


def this_machine() -> Machine:
    """The names of this machine and of whoever is logged in."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without an entry for its user
        login = ""
    home = str(Path.home())
    users = {login, *(os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")), Path(home).name}
    host = socket.gethostname()
    hosts = {host, host.partition(".")[0], os.environ.get("HOSTNAME", ""), os.environ.get("COMPUTERNAME", "")}
    return Machine(_telling(users), _telling(hosts), home)


def _telling(names: set[str]) -> tuple[str, ...]:
    """Names that tell something, longest first."""
    return tuple(sorted({n for n in names if len(n) > 2 and n.lower() not in _COMMON}, key=lambda n: (-len(n), n)))
