"""The review in a terminal: one sentence at a time, plain prompts, answers from a person or a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence

from hf_xner.errors import InputError
from hf_xner.labels import Span, tags_from_spans
from hf_xner.review.corrections import correct
from hf_xner.review.figures import current
from hf_xner.review.report import printable
from hf_xner.review.session import SKIPPED, Session
from hf_xner.systems.summary import bracketed

SHOW_ESTIMATE_AFTER = 10  # judged sentences; before that it only distracts
HELP = """  Enter      right as shown: save it, next sentence
  2-3 PER    words 2 to 3 are one entity of this type, in place of all it overlaps; 4 LOC for one word
  4 -        word 4 is in no entity (2-4 - for several); several corrections with commas: 2-3 PER, 7 -
  o          undo the last correction; without one, back to the sentence before
  s          skip: no telling, or not a sentence
  c          the sentences around it          t  what the teacher finds
  q          quit; everything is saved and the same command goes on
Types: """

Ask = Callable[[], str | None]
Show = Callable[[str], None]


def ask_terminal() -> str | None:
    """A line from the terminal (with editing) or the pipe; None at its end."""
    try:
        if sys.stdin.isatty():
            return input("> ")
        line = sys.stdin.readline()
    except (EOFError, KeyboardInterrupt):
        return None
    return line.rstrip("\r\n") if line else None


def show_terminal(text: str) -> None:
    """A block of text, at once."""
    print(text, flush=True)


def review(session: Session, ask: Ask = ask_terminal, show: Show = show_terminal) -> None:
    """Show sentence after sentence and save every answer, until the sample ends or the person does.

    Args:
        session: The session.
        ask: Gives the next line, None at the end.
        show: Shows a block of text.
    """
    session.write_corpus()
    show(HELP + ", ".join(session.types))
    position: int | None = session.position
    while position is not None and position < len(session.drawn):
        position = _Dialogue(session, position, ask, show).run()


class _Dialogue:
    """One sentence until it is answered."""

    def __init__(self, session: Session, position: int, ask: Ask, show: Show) -> None:
        self.session = session
        self.position = position
        self.ask = ask
        self.show = show
        self.sentence = session.drawn[position]
        self.words = [printable(word) for word in self.sentence.words]
        earlier = session.answers.get(position)
        self.states: list[list[Span]] = [self.sentence.entities if earlier is None else earlier.entities]
        self.was_skipped = earlier is not None and earlier.status == SKIPPED

    def run(self) -> int | None:
        """The position to go on with; None to end."""
        began = time.monotonic()
        self.show(self._page())
        while True:
            line = self.ask()
            command = None if line is None else line.strip()
            if command is None or command.lower() == "q":
                return None
            if command == "":
                self.session.answer(self.position, self.states[-1], time.monotonic() - began)
                return self.session.position
            if command.lower() == "s":
                self.session.answer(self.position, None, time.monotonic() - began)
                return self.session.position
            if command.lower() == "o" and len(self.states) == 1:
                if self.position:
                    return self.position - 1
                self.show("This is the first sentence.")
            else:
                self._react(command)

    def _react(self, command: str) -> None:
        """Commands after which the sentence is still open."""
        if command == "?":
            self.show(HELP + ", ".join(self.session.types))
        elif command.lower() == "o":
            self.states.pop()
            self.show(self._marked())
        elif command.lower() == "c":
            self.show(f"  before: {printable(self.sentence.before)}\n  after:  {printable(self.sentence.after)}")
        elif command.lower() == "t":
            self.show(self._teacher())
        else:
            self._correct(command)

    def _correct(self, command: str) -> None:
        try:
            entities = correct(self.states[-1], command, len(self.sentence.words), self.session.types)
        except InputError as error:
            self.show(f"{printable(str(error))} (? for help)")
            return
        self.states.append(entities)
        self.show(self._marked())

    def _page(self) -> str:
        estimate = current(self.session) if self.session.position >= SHOW_ESTIMATE_AFTER else None
        head = (
            f"-- {self.position + 1} of {len(self.session.drawn)}, sentence {self.sentence.number + 1:,} of the text"
        )
        if estimate is not None and estimate.value is not None:
            head += f", F1 so far {100 * estimate.value:.0f} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"
        if self.was_skipped:
            head += ", skipped before"
        return f"\n{head}\n{self._body()}"

    def _body(self) -> str:
        numbered = "   ".join(f"{number}\u00a0{word}" for number, word in enumerate(self.words, start=1))
        return f"{self._marked()}\n\n{_wrapped(numbered)}"

    def _marked(self, entities: Sequence[Span] | None = None) -> str:
        """The sentence with its entities in brackets: those of the moment, if not told others."""
        chosen = self.states[-1] if entities is None else entities
        return _wrapped(bracketed(self.words, tags_from_spans(chosen, len(self.words))))

    def _teacher(self) -> str:
        if self.sentence.teacher is None:
            return "  There is no teacher in this review."
        return self._marked(self.sentence.teacher)


def _wrapped(text: str) -> str:
    width = max(40, min(120, shutil.get_terminal_size((100, 24)).columns))
    lines = textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace("\u00a0", " ")
