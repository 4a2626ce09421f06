from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hf_xner.errors import InputError
from hf_xner.pretraining.card import model_card, read_manifest, readable


def test_manifest(tmp_path):
    path = tmp_path / "MANIFEST.tsv"
    path.write_text("lang\tsource\tlicence_as_stated\nen\ta\tCC0\nfi\tb\tMIT\nen\ta\tCC0\n", encoding="utf-8")
    assert read_manifest(path, ["en", "es"]) == [("en", "a", "CC0")]
    path.write_text("lang\tsource\n", encoding="utf-8")
    with pytest.raises(InputError, match="MANIFEST.tsv:1: no columns lang, source and licence"):
        read_manifest(path, ["en"])


def test_manifest_of_a_spreadsheet_with_a_row_cut_short(tmp_path):
    path = tmp_path / "MANIFEST.tsv"
    path.write_bytes(b"\xef\xbb\xbflang\tsource\tlicence\r\nen\ta\r\nen\tb\t\r\nen\tc\tMIT\r\n")
    assert read_manifest(path, ["en"]) == [("en", "a", "none stated"), ("en", "b", "none stated"), ("en", "c", "MIT")]
    with pytest.raises(InputError, match="no such file"):
        read_manifest(tmp_path / "absent.tsv", ["en"])


def test_card_names_sources_settings_and_limits():
    curve = [{"step": n, "subwords": n * 1e6, "layers": 3, "loss": 6 - n / 50} for n in range(1, 101)]
    card = model_card(
        languages=["en", "es"],
        sources=[("en", "a book", "CC0"), ("no", "a review", "CC BY-NC 4.0")],
        settings={"steps": 100},
        curve=[*curve, {"step": 100, "subwords": 1e8, "layers": 3, "eval_en_loss": 4.0}],
        subwords={"en": 11_600_000, "es": 400_000},
        table="| encoder | F1 |",
    )
    assert card.startswith('---\nlanguage:\n- "en"\n- "es"\n')
    for part in (
        "| en | a book | CC0 |",
        "- steps: 100",
        "| 100 | 100.0 | 3 | 4.000 |",
        "non-commercial",
        "en 11.6, es 0.4",
        "| encoder |",
    ):
        assert part in card
    assert 12 <= card.count("| 3 |") <= 14


@pytest.mark.parametrize(
    ("licences", "note"),
    [
        (["CC0", "CC BY-SA 4.0"], "has the licences listed below. It"),
        (["CC0", "CC BY-NC-SA 4.0"], "below: some is for non-commercial use or research only, or states no licence."),
        (["research use"], "some is for non-commercial use or research only"),
        (["CC BY-NC, see site"], "some is for non-commercial use or research only"),
        (["no licence stated"], "some is for non-commercial use or research only"),
        (["for research;"], "some is for non-commercial use or research only"),
        (["proprietary"], "some is for non-commercial use or research only"),
        (["Public domain; mark-up CC BY 4.0"], "has the licences listed below. It"),
        (["none stated"], "some is for non-commercial use or research only"),
        ([], "was not recorded"),
    ],
)
def test_what_the_card_says_of_licences_is_what_the_tables_say(licences, note):
    sources = [("no", f"text {number}", licence) for number, licence in enumerate(licences)]
    card = model_card(languages=["no"], sources=sources, settings={}, curve=[], subwords={"no": 10})
    assert note in card
    assert yaml.safe_load(card.split("---")[1])["language"] == ["no"]  # the code, not false


def test_paths_are_not_spelt_out():
    assert readable([Path("/home/me/text"), Path("more")]) == "text more"
    assert readable(3) == "3"
