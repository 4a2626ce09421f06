"""The page: what stands where, and which event calls what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from hf_xner.demo import render
from hf_xner.demo.api import GUIDE, TEXTS, add_api
from hf_xner.demo.choices import Choice
from hf_xner.demo.examples import EXAMPLES, example_language
from hf_xner.demo.files import KEPT_SECONDS, SWEEP_SECONDS, UPLOADS, Downloads
from hf_xner.demo.highlight import colours, joined_pieces, pieces
from hf_xner.demo.limits import Limits
from hf_xner.demo.service import FileAnswer, Service, TextAnswer
from hf_xner.errors import InputError
from hf_xner.hub.languages import language_name
from hf_xner.inference.inputs import Item

TITLE = "Named entities"
ALONE = "no teacher"
SHOWN_ROWS = 200
SHOWN_CHARACTERS = 5_000
PLAIN: dict[str, Any] = {"apply_default_css": False, "elem_classes": "xner"}  # looks come from `style` alone
# On a phone the answer would be below what is in sight; it can be scrolled to once it has been laid out.
SHOW_ANSWER = """() => {
  const message = document.getElementById('message');
  const show = tries => {
    const there = message.querySelector('[role=alert]') || document.getElementById('results')?.checkVisibility();
    if (!there && tries) setTimeout(() => show(tries - 1), 50);
    else if (message.getBoundingClientRect().top > 0.6 * innerHeight) message.scrollIntoView();
  };
  setTimeout(() => show(40), 50);
}"""
Updates = dict[Any, Any]


@dataclass(frozen=True)
class _Results:
    """The components that answers go to."""

    message: gr.HTML
    area: gr.Column
    views: gr.HTML
    differences: gr.HTML
    entities: gr.HTML
    csv: gr.DownloadButton
    json: gr.DownloadButton

    @property
    def parts(self) -> list[Any]:
        return list(vars(self).values())

    def refusal(self, error: InputError) -> Updates:
        """Say what is wrong, and show no earlier answer that could be taken for this one."""
        return {self.message: render.paragraph(str(error), kind="error"), self.area: gr.Column(visible=False)}

    def nothing(self) -> Updates:
        return {self.message: "", self.area: gr.Column(visible=False)}

    def text(self, answer: TextAnswer, files: tuple[str, str]) -> Updates:
        tints = colours(answer.types)
        entities = [(1, entity) for entity in answer.tagged.entities]
        views = [render.highlighted(answer.model, pieces(answer.tagged), tints)]
        compared = ""
        if answer.by_teacher is not None:
            views.append(render.highlighted(str(answer.teacher), pieces(answer.by_teacher), tints))
            compared = render.difference_table(answer.differences, str(answer.teacher), tints)
        return self._shown(
            f"{_counted(len(entities), 'entity', 'entities')} found.",
            views=render.side_by_side(views),
            differences=compared,
            entities=render.entity_table(entities, tints, at_most=SHOWN_ROWS),
            files=files,
        )

    def file(self, answer: FileAnswer, files: tuple[str, str]) -> Updates:
        tints = colours(answer.types)
        entities = [
            (number, entity) for number, (_, tagged) in enumerate(answer.answers, 1) for entity in tagged.entities
        ]
        shown, cut = joined_pieces((tagged for _, tagged in answer.answers), at_most=SHOWN_CHARACTERS)
        title = f"{answer.name}, {'its beginning, ' if cut else ''}as tagged by {answer.model}"
        inputs = _counted(len(answer.answers), "input", "inputs")
        return self._shown(
            f"{_counted(len(entities), 'entity', 'entities')} found in {inputs} of {answer.name}.",
            views=render.side_by_side([render.highlighted(title, shown, tints, cut=cut)]),
            differences="",
            entities=render.entity_table(entities, tints, at_most=SHOWN_ROWS, with_input=True),
            files=files,
        )

    def _shown(self, told: str, *, files: tuple[str, str], **views: str) -> Updates:
        updates: Updates = {getattr(self, name): gr.HTML(view, visible=bool(view)) for name, view in views.items()}
        return updates | {
            self.message: render.paragraph(told, kind="status"),
            self.area: gr.Column(visible=True),
            self.csv: gr.DownloadButton(value=files[0]),
            self.json: gr.DownloadButton(value=files[1]),
        }


def build_page(service: Service, downloads: Downloads) -> gr.Blocks:
    """Lay out the page and connect it; nothing is started and no model is loaded.

    Args:
        service: Answers the requests.
        downloads: Holds the files to take away.
    """
    first = service.choice()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(SWEEP_SECONDS, KEPT_SECONDS)) as page:
        gr.Markdown(f"# {TITLE}")
        with gr.Row():
            names = list(service.choices)
            model = gr.Dropdown(names, value=first.name, label="Model", elem_id="model", min_width=300)
            teacher = gr.Dropdown(label="Compare with", elem_id="teacher", min_width=300, **_teacher_choices(first))
        about = gr.HTML(_about(first), elem_id="about", **PLAIN)
        with gr.Tabs():
            with gr.Tab("Text"):
                text = gr.Textbox(
                    label="Text",
                    lines=5,
                    max_lines=15,
                    placeholder="Type or paste a text",
                    elem_id="text",
                    html_attributes=gr.InputHTMLAttributes(spellcheck=False),
                    render=False,
                )
                language, examples = _examples(first, text)
                text.render()
                with gr.Row():
                    find = gr.Button("Find entities", variant="primary", elem_id="find", min_width=120)
                    clear = gr.Button("Clear", elem_id="clear", min_width=120)
            with gr.Tab("File"):
                gr.HTML(render.paragraph(_file_guide(service.limits)), **PLAIN)
                upload = gr.File(label="File", file_types=list(UPLOADS), elem_id="upload", height=160)
                tag = gr.Button("Tag the file", variant="primary", elem_id="tag")
        results = _result_area()
        with gr.Accordion("From a program", open=False):
            gr.Markdown(GUIDE.format(characters=service.limits.characters), elem_id="guide")
        add_api(service)
        _connect_model(service, results, model, teacher, about, language, examples)
        _connect_text(service, downloads, results, text, model, teacher, find, clear, examples)
        _connect_file(service, downloads, results, upload, model, tag)
    page.queue(max_size=service.limits.waiting, default_concurrency_limit=1)
    return page


def _examples(choice: Choice, text: gr.Textbox) -> tuple[gr.Dropdown, gr.Dataset]:
    code = example_language(choice.language)
    names = sorted((str(language_name(code)), code) for code in EXAMPLES)
    language = gr.Dropdown(names, value=code, label="Language of the examples", elem_id="language")
    examples = gr.Dataset(
        components=[text], samples=_samples(code), label="Examples", samples_per_page=10, elem_id="examples"
    )
    return language, examples


def _result_area() -> _Results:
    message = gr.HTML("", elem_id="message", **PLAIN)
    with gr.Column(visible=False, elem_id="results") as area:
        views, differences, entities = (
            gr.HTML(elem_id=name, **PLAIN) for name in ("views", "differences", "entities")
        )
        with gr.Row():
            csv = gr.DownloadButton("Download CSV", elem_id="csv", min_width=140)
            json = gr.DownloadButton("Download JSON", elem_id="json", min_width=140)
    return _Results(message, area, views, differences, entities, csv, json)


def _connect_model(
    service: Service,
    results: _Results,
    model: gr.Dropdown,
    teacher: gr.Dropdown,
    about: gr.HTML,
    language: gr.Dropdown,
    examples: gr.Dataset,
) -> None:
    """Another model: what is known of it, its teachers, its language and with it the examples; earlier answers go."""

    def choose(name: str) -> Updates:
        choice = service.choice(name)
        return results.nothing() | {
            teacher: gr.Dropdown(**_teacher_choices(choice)),
            about: _about(choice),
            language: example_language(choice.language),
        }

    changed = [results.message, results.area, teacher, about, language]
    # `change`, not `input`, which a dropdown also sends when somebody only passes by with the Tab key.
    model.change(choose, model, changed, queue=False, api_visibility="private")
    language.change(
        lambda code: gr.Dataset(samples=_samples(code)), language, examples, queue=False, api_visibility="private"
    )


def _connect_text(
    service: Service,
    downloads: Downloads,
    results: _Results,
    text: gr.Textbox,
    model: gr.Dropdown,
    teacher: gr.Dropdown,
    find: gr.Button,
    clear: gr.Button,
    examples: gr.Dataset,
) -> None:
    def answer(text: str, model: str, teacher: str) -> Updates:
        try:
            found = service.tag_text(text or "", model=model, teacher=None if teacher == ALONE else teacher)
        except InputError as error:
            return results.refusal(error)
        return results.text(found, downloads.write("entities", [(Item(found.tagged.text), found.tagged)]))

    options: dict[str, Any] = {
        "show_progress_on": results.message,
        "concurrency_id": TEXTS,
        "concurrency_limit": 1,
        "api_visibility": "private",
    }
    asked = [text, model, teacher]
    picked = examples.click(lambda row: row[0], examples, text, queue=False, api_visibility="private")
    for event in (find.click, text.submit, picked.then):
        event(answer, asked, results.parts, **options).then(None, js=SHOW_ANSWER, api_visibility="private")
    clear.click(
        lambda: results.nothing() | {text: ""},
        None,
        [results.message, results.area, text],
        queue=False,
        api_visibility="private",
    )


def _connect_file(
    service: Service,
    downloads: Downloads,
    results: _Results,
    upload: gr.File,
    model: gr.Dropdown,
    tag: gr.Button,
) -> None:
    def answer(path: str | None, model: str, progress: gr.Progress = gr.Progress()) -> Updates:  # noqa: B008
        try:
            if not path:
                raise InputError("there is no file", remedy=f"choose one ({', '.join(UPLOADS)})")
            name = Path(path).name
            found = service.tag_file(path, name, model=model, progress=_tell(progress))
        except InputError as error:
            return results.refusal(error)
        return results.file(found, downloads.write(Path(name).stem, found.answers))

    started = tag.click(results.nothing, None, [results.message, results.area], queue=False, api_visibility="private")
    started.then(
        answer,
        [upload, model],
        results.parts,
        show_progress_on=results.message,
        concurrency_id="files",
        concurrency_limit=1,
        api_visibility="private",
    ).then(None, js=SHOW_ANSWER, api_visibility="private")


def _tell(progress: gr.Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress((done, total), desc="Tagging", unit="inputs")


def _teacher_choices(choice: Choice) -> dict[str, Any]:
    """The student beside its nearest teacher, where it has one."""
    names = list(choice.teachers)
    return {"choices": [*names, ALONE], "value": names[0] if names else ALONE, "interactive": bool(names)}


def _about(choice: Choice) -> str:
    parts = [(choice.warning, "warning"), (choice.about, "note"), (choice.no_teacher, "note")]
    return "".join(render.paragraph(text, kind=kind) for text, kind in parts)


def _samples(code: str) -> list[list[str]]:
    return [[text] for text in EXAMPLES[code]]


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _file_guide(limits: Limits) -> str:
    return (
        ".txt: a text a line; .conll: a word a line, an empty line after each sentence; .jsonl: an object a line with "
        f"'text' or 'tokens'. UTF-8, at most {limits.file_bytes / 1e6:g} MB and {limits.sentences:,} sentences. Files "
        "are removed after about an hour."
    )
