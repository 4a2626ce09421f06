"""The review on a page in the browser: the same session, the same answers. Text is shown as text, never as HTML."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from hf_xner.errors import InputError
from hf_xner.labels import Span, spans_from_tags, split_tag, tags_from_spans
from hf_xner.review.corrections import correct
from hf_xner.review.figures import current
from hf_xner.review.report import make_report
from hf_xner.review.session import DrawnSentence, Session

HEADERS = ["no", "word", "tag"]
View = tuple[int, str, list[tuple[str, str | None]], list[list[Any]], str, str]
"""What the page shows of a sentence: position, progress, highlighted parts, table, what is around it, a message."""


class Page:
    """What the buttons do, without the browser.

    Every action names the position it was made on, so that two windows of one session cannot answer for each other.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.Lock()

    def open(self, position: int | None = None) -> View:
        """A sentence, by default the first without an answer."""
        position = self.session.position if position is None else position
        if position >= len(self.session.drawn):
            return position, self._progress(position), [], [], "", "All drawn sentences are judged."
        return self._view(position, self._standing(position), "")

    def confirm(self, position: int, rows: Sequence[Sequence[Any]]) -> View:
        """The sentence is right as it was shown.

        Raises:
            InputError: The table was changed, which this button would undo.
        """
        if self._spans(position, rows) != (shown := self._standing(position)):
            raise InputError(
                "the tags were changed", remedy="press Save to keep them, or reload the page to drop them"
            )
        return self._answer(position, shown)

    def save(self, position: int, rows: Sequence[Sequence[Any]]) -> View:
        """The table is right.

        Raises:
            InputError: It is not the table of the sentence, or holds a tag that is none.
        """
        return self._answer(position, self._spans(position, rows))

    def skip(self, position: int) -> View:
        """No telling."""
        return self._answer(position, None)

    def back(self, position: int) -> View:
        """The sentence before."""
        return self.open(max(0, position - 1))

    def apply(self, position: int, rows: Sequence[Sequence[Any]], line: str) -> View:
        """Change the table by a correction as in the terminal: `2-3 PER`, `4 -`.

        Raises:
            InputError: The line is no correction, or the table does not hold tags.
        """
        sentence = self._sentence(position)
        spans = correct(self._spans(position, rows), line, len(sentence.words), self.session.types)
        return self._view(position, spans, "Not saved yet.")

    def report(self) -> str:
        """The report so far."""
        with self._lock:
            return make_report(self.session)

    def _answer(self, position: int, entities: Sequence[Span] | None) -> View:
        with self._lock:
            self._sentence(position)
            self.session.answer(position, entities)
        return self.open()

    def _standing(self, position: int) -> list[Span]:
        """The entities of a sentence as answered, or as tagged."""
        answer = self.session.answers.get(position)
        return self._sentence(position).entities if answer is None else answer.entities

    def _sentence(self, position: int) -> DrawnSentence:
        if not 0 <= position <= min(self.session.position, len(self.session.drawn) - 1):
            raise InputError("there is no sentence to answer", remedy="reload the page")
        return self.session.drawn[position]

    def _spans(self, position: int, rows: Sequence[Sequence[Any]]) -> list[Span]:
        words = self._sentence(position).words
        tags = [str(row[-1]).strip() or "O" for row in rows]
        if len(tags) != len(words):
            raise InputError(f"{len(tags)} rows, but the sentence has {len(words)} words", remedy="reload the page")
        known = set(self.session.types)
        for number, tag in enumerate(tags, start=1):
            try:
                letter, name = split_tag(tag)
            except InputError:
                letter, name = "", ""
            if tag != "O" and (letter not in {"B", "I"} or name not in known):
                raise InputError(
                    f"{tag[:40]!r} is no tag",
                    where=f"word {number}",
                    remedy=f"write O, or B- or I- and one of {_list(known)}",
                )
        return spans_from_tags(tags)

    def _view(self, position: int, entities: Sequence[Span], message: str) -> View:
        sentence = self.session.drawn[position]
        tags = tags_from_spans(entities, len(sentence.words))
        table = [[number, word, tag] for number, (word, tag) in enumerate(zip(sentence.words, tags, strict=True), 1)]
        around = f"before: {sentence.before}\nafter: {sentence.after}"
        return position, self._progress(position), _parts(sentence.words, entities), table, around, message

    def _progress(self, position: int) -> str:
        session = self.session
        text = f"{min(position + 1, len(session.drawn))} of {len(session.drawn)}, {session.position} judged"
        estimate = current(session)
        if estimate is None or estimate.value is None:
            return text
        return f"{text}. F1 so far {100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _parts(words: Sequence[str], entities: Sequence[Span]) -> list[tuple[str, str | None]]:
    """The sentence in pieces with their types, as `gr.HighlightedText` takes it."""
    parts: list[tuple[str, str | None]] = []
    end = 0
    for span in entities:
        parts += [(" ".join(words[end : span.start]) + " ", None)] if span.start > end else []
        parts += [(" ".join(words[span.start : span.end]), span.type), (" ", None)]
        end = span.end
    return [*parts, (" ".join(words[end:]), None)] if end < len(words) else parts


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def build_page(session: Session) -> Any:
    """The page as `gr.Blocks`, not launched.

    Raises:
        InputError: gradio is not installed.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing leaves this machine
    try:
        import gradio as gr
    except ImportError as error:
        raise InputError("gradio is not installed", where="--page", remedy="pip install 'hf_xner[space]'") from error
    page = Page(session)

    def told(action: Callable[..., View]) -> Callable[..., Any]:
        """The action and an emptied correction; a mistake becomes the message, and all else stays as it was."""

        def run(*values: Any) -> Any:
            try:
                return (*action(*values), "")
            except InputError as error:
                return (*[gr.skip()] * 5, str(error), gr.skip())

        return run

    with gr.Blocks(title="xner review") as blocks:
        position = gr.Number(0, visible=False, precision=0)
        progress = gr.Textbox(label=f"Review of {session.facts['name']}", interactive=False)
        shown = gr.HighlightedText(label="As tagged", combine_adjacent=False, show_legend=False, interactive=False)
        with gr.Row():
            confirm = gr.Button("Confirm", variant="primary", min_width=80)
            save = gr.Button("Save", min_width=80)
            skip = gr.Button("Skip", min_width=80)
            back = gr.Button("Back", min_width=80)
        line = gr.Textbox(label="Correct and press Enter, then Save: 2-3 PER, or 4 -")
        message = gr.Textbox(show_label=False, interactive=False, container=False)
        table = gr.Dataframe(
            headers=HEADERS,
            datatype=["number", "str", "str"],
            type="array",
            interactive=True,
            static_columns=[0, 1],
            label=f"Or correct the tags here, then Save: O, or B- and I- with {', '.join(session.types)}",
        )
        around = gr.Textbox(label="Around it", interactive=False, lines=4)
        with gr.Accordion("Report", open=False):
            report = gr.Textbox(show_label=False, interactive=False, lines=30)
            refresh = gr.Button("Report so far")
        view = [position, progress, shown, table, around, message, line]
        blocks.load(told(lambda: page.open()), None, view, api_name="open")
        confirm.click(told(page.confirm), [position, table], view, api_name="confirm")
        save.click(told(page.save), [position, table], view, api_name="save")
        skip.click(told(page.skip), position, view, api_name="skip")
        back.click(told(page.back), position, view, api_name="back")
        line.submit(told(page.apply), [position, table, line], view, api_name="apply")
        refresh.click(page.report, None, report, api_name="report")
    return blocks


def serve(session: Session, *, port: int | None = None, wait: bool = True) -> Any:
    """Open the page on this machine alone and, with `wait`, stay until Ctrl-C; returns the running page otherwise.

    Args:
        session: The session.
        port: A port; None for a free one.
        wait: Whether to stay.
    """
    session.write_corpus()
    blocks = build_page(session)
    try:
        _, address, _ = blocks.launch(
            server_name="127.0.0.1", server_port=port, share=False, quiet=True, prevent_thread_lock=True
        )
    except OSError as error:
        raise InputError(f"port {port} cannot be used", where="--port", remedy="give another") from error
    if not wait:
        return blocks
    print(f"{address}  (Ctrl-C ends it; every answer is saved. Over ssh: ssh -L PORT:127.0.0.1:PORT …)", flush=True)
    try:
        blocks.block_thread()
    except KeyboardInterrupt:  # gradio usually keeps it to itself
        pass
    finally:
        blocks.close()
    return None
