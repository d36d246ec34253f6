"""The layout around every email of a locale and a brand: greeting, frame, footer, style. Read once.

It is filled in two passes: `[[ … ]]` when it is read, from the words of the locale and from the brand; `{{ … }}` for
each email. A brand's own texts pass the first as string constants of the second, so they are never compiled.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from service.adapters.template_files import TemplateFiles
from service.adapters.templates.formats import locale_of
from service.adapters.templates.styles import inline_css
from service.model.catalogue import NotificationType
from service.pages.brand import Brand

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INDENT = re.compile(r"\n\s+")


@dataclass(frozen=True, slots=True)
class LayoutKind:
    """What the footer of a type depends on: `why` names its words, `unsubscribable` lets it have an unsubscribe link.

    | `why` | of a type |
    |---|---|
    | `why` | that a recipient can switch off |
    | `why_mandatory` | that none can |
    | `why_security` | about access to an account: it names no settings, but what to do about a stranger |
    """

    why: str
    unsubscribable: bool

    @classmethod
    def of(cls, notification_type: NotificationType) -> "LayoutKind":
        """Return the kind of a type."""
        why = "why_mandatory" if notification_type.mandatory else "why"
        return cls("why_security" if notification_type.security else why, notification_type.unsubscribable)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout's sources in one locale, ready to be compiled. `css` is for the markup of the types."""

    html: str
    text: str
    button: str
    css: str


def read_layout(files: TemplateFiles, locale: str, brand: Brand, kind: LayoutKind) -> Layout:
    """Return the layout in the words of `locale`.toml. Raise OSError, ValueError (not TOML), jinja2.TemplateError.

    A TemplateSyntaxError has the name of the file and the line.
    """
    words: Mapping[str, str] = tomllib.loads(files.text(f"layout/{locale}.toml"))
    values: Mapping[str, Any] = {
        "words": words,
        "why": kind.why,
        "unsubscribable": kind.unsubscribable,
        "lang": locale.replace("_", "-"),
        "dir": "rtl" if locale_of(locale).text_direction == "rtl" else "ltr",
        "light": brand.palette.light,
        "dark": brand.palette.dark,
        "logo": brand.logo,
        "postal_address": brand.postal_address,
        "support_url": brand.support_url,
        "footer": brand.footer_in(locale),
        "shown": _constant,
    }
    css = _fill(files, "style.css", values, html=False)
    html = _fill(files, "html.j2", values, html=True)
    button = _fill(files, "button.j2", values, html=True)
    return Layout(
        html=_INDENT.sub("\n", inline_css(html, css, whole=True)),
        text=_fill(files, "text.j2", values, html=False),
        button=_INDENT.sub("\n", inline_css(button, css)).strip(),
        css=css,
    )


def _fill(files: TemplateFiles, file: str, values: Mapping[str, Any], *, html: bool) -> str:
    """Return a file after the first pass, without comments of CSS. Words may hold `{{ … }}` for the second pass."""
    name = f"layout/{file}"
    source = files.text(name)
    if file.endswith(".css"):
        source = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), source)  # the lines stay
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
    try:
        filled = env.from_string(source).render(values)
        Environment(autoescape=True).parse(filled, name)  # now: inlining the CSS changes the lines
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(error.message or "", error.lineno, name) from error
    except TemplateError as error:  # it has no line
        raise TemplateError(f"{name}: {error}") from error
    return filled


def _constant(text: str) -> Markup:
    """Return an expression of the second pass that shows a text, whatever is in it, escaped where it has to be."""
    plain = (char if char.isascii() and char.isalnum() else f"\\U{ord(char):08x}" for char in text)
    return Markup('{{ "' + "".join(plain) + '" }}')  # noqa: S704 - letters, digits and backslashes
