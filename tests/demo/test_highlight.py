from __future__ import annotations

import pytest

from hf_xner.demo.highlight import colours, joined_pieces, pieces

from .fixtures import NameList

TAGGER = NameList({"Kiel": "LOC", "Ana": "PER"})


def tagged(text: str):
    return TAGGER.tag_text(text)


@pytest.mark.parametrize("text", ["Ana in Kiel", "in Kiel.\n\n Ana", "Kiel Ana", "nothing", "\u200fKiel 😀"])
def test_pieces_joined_are_the_text(text: str):
    found = pieces(tagged(text))
    assert "".join(part for part, _ in found) == text
    names = [part for part, name in found if name]
    assert names == [word for word in text.replace("\u200f", " ").replace(".", " ").split() if word in ("Ana", "Kiel")]


def test_no_entity_is_cut_in_two():
    text = tagged("then Kiel then Ana")
    for length in range(len(text.text) + 3):
        found = pieces(text, at_most=length)
        joined = "".join(part for part, _ in found)
        assert text.text.startswith(joined) and len(joined) <= length
        assert {part for part, name in found if name} <= {"Kiel", "Ana"}
    assert pieces(text, at_most=7) == [("then ", None)]


def test_texts_stand_under_each_other_until_there_is_enough():
    texts = [tagged("Kiel"), tagged(""), tagged("in Ana")]
    assert joined_pieces(texts, at_most=100) == (
        [("Kiel", "LOC"), ("\n", None), ("\n", None), ("in ", None), ("Ana", "PER")],
        False,
    )
    shown, cut = joined_pieces(texts, at_most=6)
    assert cut and "".join(part for part, _ in shown).startswith("Kiel\n")
    assert joined_pieces([], at_most=5) == ([], False)


def luminance(colour: tuple[float, float, float]) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: tuple[float, ...], share: float, other: float) -> tuple[float, float, float]:
    red, green, blue = (share * part + (1 - share) * other for part in colour)
    return red, green, blue


def test_text_is_legible_on_every_colour_in_both_themes():
    """WCAG AA, 4.5:1, for what `style` makes of a colour."""
    shown = colours(["PER", *(f"T{number}" for number in range(8))])
    assert len(set(shown.values())) == 12
    white, black = (1.0, 1.0, 1.0), (0x16 / 255, 0x18 / 255, 0x1D / 255)
    for value in shown.values():
        colour = tuple(int(value[at : at + 2], 16) / 255 for at in (1, 3, 5))
        assert contrast(white, colour) >= 4.5, value  # the type's label
        assert contrast(black, mixed(colour, 0.2, 1.0)) >= 4.5, value  # the light theme
        assert contrast(white, mixed(colour, 0.5, 0.0)) >= 4.5, value  # the dark theme


def test_types_keep_their_colour_whatever_else_there_is():
    assert colours(["PER"])["PER"] == colours(["PER", "A", "B", "C"])["PER"]
    assert set(colours([f"T{number}" for number in range(30)])) >= {f"T{number}" for number in range(30)}
