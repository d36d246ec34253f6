"""The colours of mail and pages: neutral tones, and tones of one accent that can be read, in light and in dark.

Contrast is that of WCAG 2.2: text needs 4.5:1 (1.4.3), the edge of a button 3:1 (1.4.11).
"""

import re
from collections.abc import Iterator
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass

ACCENT = "#2f4bd8"
TEXT_RATIO, EDGE_RATIO = 4.5, 3.0
_DARK_LINK_RATIO = 7.0  # a thin bright letter on dark needs more than the least
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})").fullmatch
_WHITE, _BLACK = "#ffffff", "#000000"


@dataclass(frozen=True, slots=True)
class ColourScheme:
    """The colours of one scheme, as `#rrggbb`. `button_label` is the text on a button."""

    page: str
    card: str
    hover: str
    line: str
    title: str
    text: str
    soft: str
    link: str
    button: str
    button_label: str


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours for light and for dark."""

    light: ColourScheme
    dark: ColourScheme


def make_palette(accent: str) -> Palette:
    """Return the palette of an accent, which is the colour of links and buttons in light; dark has tones of it.

    Raise ValueError for anything but `#rgb` or `#rrggbb`, and for an accent that cannot be read as a link on a card.
    """
    accent = accent.lower()
    if not _HEX(accent):
        raise ValueError("must be a colour such as #2f4bd8")
    if len(accent) == 4:
        accent = "#" + "".join(digit * 2 for digit in accent[1:])
    light = ColourScheme(
        page="#f3f4f7",
        card=_WHITE,
        hover="#eceef3",
        line="#e2e5eb",
        title="#171a21",
        text="#31363f",
        soft="#5d6471",
        link=accent,
        button=accent,
        button_label=_WHITE,  # as readable on the accent as the accent is on the card
    )
    if (ratio := contrast(accent, light.card)) < TEXT_RATIO:
        better = next(tone for tone in _tones(accent, _BLACK) if contrast(tone, light.card) >= TEXT_RATIO)
        raise ValueError(
            f"{accent} has a contrast of {ratio:.2f}:1 as a link on a white card, and as a button with white text; "
            f"text needs {TEXT_RATIO}:1 (WCAG 2.2 AA). The nearest tone that has it is {better}"
        )
    return Palette(light, _dark_scheme(accent))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (`#rrggbb`), from 1.0 to 21.0."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _dark_scheme(accent: str) -> ColourScheme:
    page, card, title = "#111318", "#1b1e25", "#f1f3f6"
    button, label = next(
        (tone, label)
        for tone in _tones(accent, _WHITE)
        for label in (_WHITE, page)
        if contrast(tone, card) >= EDGE_RATIO and contrast(tone, label) >= TEXT_RATIO
    )
    return ColourScheme(
        page=page,
        card=card,
        hover="#242831",
        line="#2f3540",
        title=title,
        text="#d3d7de",
        soft="#9aa1ae",
        link=next(tone for tone in _tones(accent, _WHITE) if contrast(tone, card) >= _DARK_LINK_RATIO),
        button=button,
        button_label=label,
    )


def _tones(colour: str, towards: str) -> Iterator[str]:
    """Yield the colour, then the same hue in steps of lightness, to white or black."""
    hue, lightness, saturation = rgb_to_hls(*_channels(colour))
    end = 1.0 if towards == _WHITE else 0.0
    yield colour
    for step in range(1, 101):
        tone = hls_to_rgb(hue, lightness + (end - lightness) * step / 100, saturation)
        yield "#" + "".join(f"{round(channel * 255):02x}" for channel in tone)


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2, from 0.0 to 1.0."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
