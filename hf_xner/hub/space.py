"""The README of a Space that shows taggers: the Hub reads from its front matter how to start it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_xner.hub.templates import render

TITLE = "Named entities without labels"


@dataclass(frozen=True)
class ShownModel:
    """A model that a Space shows: its repository, and the name of its language or None."""

    repo: str
    language: str | None = None


def space_card(
    models: Sequence[ShownModel] = (),
    *,
    sdk_version: str,
    title: str = TITLE,
    app_file: str = "app.py",
    licence: str = "apache-2.0",
) -> str:
    """Write it.

    Args:
        models: The models shown; none for the small one that is trained at the start.
        sdk_version: Version of gradio that the app was tested with.
        title: The Space's title.
        app_file: The program that starts it.
        licence: Hub id of the app's licence (not of the models').
    """
    from huggingface_hub import SpaceCard, SpaceCardData

    data = SpaceCardData(
        title=title,
        sdk="gradio",
        sdk_version=sdk_version,
        app_file=app_file,
        license=licence,
        models=[model.repo for model in models] or None,
        tags=["named-entity-recognition", "hf_xner"],
        emoji="🏷️",
        colorFrom="blue",
        colorTo="green",
        pinned=False,
    )
    return str(SpaceCard(f"---\n{data.to_yaml()}\n---\n\n{render('space', title=title, models=models)}"))
