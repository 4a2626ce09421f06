"""The README of a Space."""

from __future__ import annotations

import pytest
from huggingface_hub import SpaceCard

from hf_xner.hub.space import ShownModel, space_card


def test_the_hub_reads_from_it_how_to_start_the_app():
    models = [ShownModel("org/tsl-es", "Spanish"), ShownModel("org/tsl-sw")]
    card = space_card(models, sdk_version="6.31.0", title="Names: in Spanish & Swahili", app_file="space/app.py")
    data = SpaceCard(card).data
    assert (data.sdk, data.sdk_version, data.app_file) == ("gradio", "6.31.0", "space/app.py")
    assert data.title == "Names: in Spanish & Swahili" and data.models == ["org/tsl-es", "org/tsl-sw"]
    assert "| [org/tsl-es](https://huggingface.co/org/tsl-es) | Spanish |" in card
    assert "| [org/tsl-sw](https://huggingface.co/org/tsl-sw) | see its card |" in card


def test_without_models_it_trains_one_at_its_start():
    card = space_card(sdk_version="6.31.0")
    assert SpaceCard(card).data.models is None and "research and demonstrations only" in card
    assert "At its start it trains a small English-to-Spanish tagger" in card


@pytest.mark.parametrize("models", [(), (ShownModel("org/tsl-es"),)])
def test_it_tells_how_long_a_text_is_kept(models: tuple[ShownModel, ...]):
    """What was typed lies in the files to take away, so it is not true that nothing is stored."""
    card = " ".join(space_card(models, sdk_version="6.31.0").split())
    assert "kept there for download, with what was found in it, for about an hour" in card
    assert "not stored" not in card


def test_a_title_cannot_break_out():
    card = space_card(sdk_version="6.31.0", title="<script>x</script>\nsdk: docker")
    assert SpaceCard(card).data.sdk == "gradio"
    assert "<script>" not in card.split("---\n", 2)[2]


@pytest.mark.parametrize("version", ["6", "6.31.0"])
def test_a_version_stays_text(version: str):
    assert SpaceCard(space_card(sdk_version=version)).data.sdk_version == version
