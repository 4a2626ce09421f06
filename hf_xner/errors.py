"""The one exception that means "the user can mend this"."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave is wrong: a file, a tag, a spec, an option.

    The command line prints it as one line and exits with code 2; nothing half-written is left behind.

    Args:
        what: What was found and what was expected.
        where: File (with line number where there is one), option or object in which it was found.
        remedy: What the user can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        message = self.what if self.where is None else f"{self.where}: {self.what}"
        return message if self.remedy is None else f"{message}; {self.remedy}"

    def __reduce__(self) -> tuple:
        """Keep the three parts apart when the error crosses a process border."""
        return _rebuild, (self.what, self.where, self.remedy)


def _rebuild(what: str, where: str | None, remedy: str | None) -> InputError:
    return InputError(what, where=where, remedy=remedy)
