"""From models to a page that answers on a port."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import gradio as gr

from hf_xner.demo.choices import Choice, find_choices
from hf_xner.demo.files import Downloads
from hf_xner.demo.limits import Limits
from hf_xner.demo.page import build_page
from hf_xner.demo.service import Service
from hf_xner.demo.starter import NAME, WARNING, starter_run
from hf_xner.demo.style import CSS
from hf_xner.errors import InputError

VARIABLE = "HF_XNER_DEMO_MODELS"
LATIN = ("ui-sans-serif", "system-ui", "sans-serif")  # the visitor's own fonts: none is fetched
CODE = ("ui-monospace", "Consolas", "monospace")
UPLOAD_FACTOR = 10  # what is larger is refused by the server with a bare "too large"; below that the page says more


def models_for(given: Sequence[str], say: Callable[[str], None]) -> list[Choice]:
    """The models of a demo: what was given, else what the environment names, else the built-in example.

    Args:
        given: Run folders, folders of taggers, Hub ids.
        say: Told what happens if it takes a while.

    Raises:
        InputError: One of them is none of these.
    """
    named = [part.strip() for part in os.environ.get(VARIABLE, "").split(",") if part.strip()]
    if given or named:
        return find_choices(given or named)
    return find_choices([str(starter_run(say))], names=[NAME], warning=WARNING)


def start(service: Service, *, port: int | None = None, share: bool = False) -> gr.Blocks:
    """Start the page in threads of this process.

    It listens on this machine only, unless the environment's `GRADIO_SERVER_NAME` says otherwise (as in a container).

    Args:
        service: Answers the requests.
        port: Where; by default the first free one from 7860 on.
        share: Also open a public link through Gradio's servers.

    Returns:
        The running page, with `local_url` and `share_url`; `close()` ends it.

    Raises:
        InputError: The port is taken.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is told to Gradio's makers
    downloads = Downloads()
    page = build_page(service, downloads)
    try:
        page.launch(
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            theme=_theme(),
            css=CSS,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            max_file_size=service.limits.file_bytes * UPLOAD_FACTOR,
            allowed_paths=[str(downloads.folder)],
        )
    except OSError as error:
        raise InputError(f"cannot listen there ({error})", where="--port", remedy="give another --port") from error
    return page


def _theme() -> gr.themes.Base:
    """Fonts that the visitor has, and buttons whose white letters are legible, also under the pointer."""
    theme = gr.themes.Default(primary_hue="blue", font=LATIN, font_mono=CODE)
    return theme.set(
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700"
    )


def serve(
    given: Sequence[str] = (),
    *,
    port: int | None = None,
    share: bool = False,
    limits: Limits | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Run the demo until it is interrupted.

    Args:
        given: Run folders, folders of taggers, Hub ids; by default those that `HF_XNER_DEMO_MODELS` names (commas
            between them), else a small example, trained at the first start.
        port: Where to listen.
        share: Also open a public link.
        limits: How much a request may ask for.
        say: Told where the page is.

    Raises:
        InputError: A model cannot be loaded, or the port is taken.
    """
    if port is not None and not 0 < port < 65536:
        raise InputError(f"{port} is no port", where="--port", remedy="give a number between 1 and 65535")
    service = Service(models_for(given, say), limits=limits)
    service.warm_up()
    page = start(service, port=port, share=share)
    say(f"The demo is at {page.local_url} (Ctrl+C ends it)")
    if share:
        say(f"and, for a week, at {page.share_url}" if page.share_url else "There is no public link: see above.")
    page.block_thread()
