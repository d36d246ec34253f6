"""The layout around every email of a locale: greeting, frame, footer, style. Read once.

It is filled in two passes: `[[ … ]]` when it is read, from the words of the locale; `{{ … }}` for each email.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from service.adapters.templates.environment import read_source
from service.adapters.templates.formats import locale_of
from service.adapters.templates.styles import inline_css

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INDENT = re.compile(r"\n\s+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout's sources in one locale, ready to be compiled. `css` is for the markup of the types."""

    html: str
    text: str
    button: str
    css: str


def read_layout(directory: Path, locale: str) -> Layout:
    """Return the layout in the words of `locale`.toml. Raise OSError, ValueError (not TOML), jinja2.TemplateError."""
    words: Mapping[str, str] = tomllib.loads(read_source(directory / f"{locale}.toml"))
    css = _COMMENT.sub("", read_source(directory / "style.css"))
    html = _fill_words(read_source(directory / "html.j2"), words, locale, html=True)
    return Layout(
        html=_INDENT.sub("\n", inline_css(html, css, whole=True)),
        text=_fill_words(read_source(directory / "text.j2"), words, locale, html=False),
        button=_INDENT.sub("\n", inline_css(read_source(directory / "button.j2"), css)).strip(),
        css=css,
    )


def _fill_words(source: str, words: Mapping[str, str], locale: str, *, html: bool) -> str:
    """Return the source after the first pass. Words may hold `{{ … }}` for the second one."""
    env: Environment = SandboxedEnvironment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        autoescape=html,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    direction = "rtl" if locale_of(locale).text_direction == "rtl" else "ltr"
    return env.from_string(source).render(words=words, lang=locale.replace("_", "-"), dir=direction)
