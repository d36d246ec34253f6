"""What stands around every mail of a locale: greeting, frame, footer, style. Read once.

Two passes: `[[ … ]]` is filled when it is read, from the words of the locale; `{{ … }}` for each mail.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from service.adapters.templates.environment import text_of
from service.adapters.templates.formats import locale_of
from service.adapters.templates.styles import inlined

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INDENT = re.compile(r"\n\s+")


@dataclass(frozen=True, slots=True)
class Layout:
    """Sources of one locale, ready to be compiled. `css` is for the markup of the types."""

    html: str
    text: str
    button: str
    css: str


def read_layout(directory: Path, locale: str) -> Layout:
    """The layout in the words of `locale`.toml. Raises OSError, ValueError (not TOML), jinja2.TemplateError."""
    words: Mapping[str, str] = tomllib.loads(text_of(directory / f"{locale}.toml"))
    css = _COMMENT.sub("", text_of(directory / "style.css"))
    html = _worded(text_of(directory / "html.j2"), words, locale, html=True)
    return Layout(
        html=_INDENT.sub("\n", inlined(html, css, whole=True)),
        text=_worded(text_of(directory / "text.j2"), words, locale, html=False),
        button=_INDENT.sub("\n", inlined(text_of(directory / "button.j2"), css)).strip(),
        css=css,
    )


def _worded(source: str, words: Mapping[str, str], locale: str, *, html: bool) -> str:
    """The first pass. Words may hold `{{ … }}` for the second one."""
    first: Environment = SandboxedEnvironment(
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
    return first.from_string(source).render(words=words, lang=locale.replace("_", "-"), dir=direction)
