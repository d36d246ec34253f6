"""The palette of an accent: readable in light and dark, or refused with the measured ratio."""

from dataclasses import asdict
from itertools import product

import pytest

from service.pages.palette import ACCENT, ColourScheme, contrast, make_palette
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.478),
        ("#767676", "#ffffff", 4.542),
        ("#ff0000", "#ffffff", 3.998),
        ("#0000ff", "#ffffff", 8.592),
        ("#ffff00", "#000000", 19.556),
        ("#595959", "#ffffff", 7.004),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """Known values, whichever colour is the text."""
    assert contrast(one, other) == pytest.approx(ratio, abs=0.001)
    assert contrast(one, other) == contrast(other, one)


def readable(scheme: ColourScheme) -> bool:
    """Return whether every text of a scheme has 4.5:1 on what it stands on, and a button 3:1 on the card."""
    texts = (scheme.title, scheme.text, scheme.soft)
    pairs = [*product(texts, (scheme.page, scheme.card, scheme.hover)), (scheme.link, scheme.card)]
    pairs.append((scheme.button_label, scheme.button))
    return all(contrast(*pair) >= 4.5 for pair in pairs) and contrast(scheme.button, scheme.card) >= 3


@pytest.mark.parametrize(
    "accent", [ACCENT, "#c2410c", "#0f766e", "#000", "#7c3aed", "#B91C1C", "#15803d", "#111318", "#767676"]
)
def test_an_accent_is_used_as_it_is_and_toned_for_dark(accent: str) -> None:
    """Light has the accent itself; dark has tones that can be read, the text of the button too."""
    palette = make_palette(accent)

    assert readable(palette.light)
    assert readable(palette.dark)
    assert palette.light.link == palette.light.button
    assert len(palette.light.link) == 7
    assert all(value.startswith("#") and value == value.lower() for value in asdict(palette.dark).values())


@pytest.mark.parametrize(
    ("accent", "ratio"),
    [("#fd0", "1.35:1"), ("#ffffff", "1.00:1"), ("#777777", "4.48:1"), ("#f97316", "2.80:1")],
)
def test_an_accent_that_cannot_be_read_is_refused_with_its_ratio(accent: str, ratio: str) -> None:
    """The error names the nearest tone that has the contrast, and that tone is accepted."""
    with pytest.raises(ValueError, match=ratio) as refusal:
        make_palette(accent)

    assert "4.5:1" in str(refusal.value)
    make_palette(str(refusal.value).rpartition(" ")[2])


@pytest.mark.parametrize(
    "accent", ["", "blue", "2f4bd8", "#2f4bd", "#2f4bd8;x", "#gggggg", "#2f4bd8 ", "#\u0661\u0662\u0663"]
)
def test_other_forms_of_colours_are_refused(accent: str) -> None:
    """Nothing but six or three digits reaches a style sheet."""
    with pytest.raises(ValueError, match="must be a colour such as"):
        make_palette(accent)


def test_the_bell_has_the_default_colours() -> None:
    """The catcher's picture is a file, so it names them itself."""
    bell = (ROOT / "service/dev/catcher/static/bell.svg").read_text()

    assert make_palette(ACCENT).light.link in bell
    assert make_palette(ACCENT).dark.link in bell
