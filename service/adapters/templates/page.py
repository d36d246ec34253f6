"""A type's template in one locale, compiled: pieces of text that never change, and holes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jinja2 import Template, TemplateSyntaxError
from jinja2.runtime import Context

from service.adapters.templates.environment import Button, compiled
from service.adapters.templates.quoted import Coded, encode
from service.adapters.templates.styles import inlined

BLOCKS = ("subject", "preheader", "text", "html", "inbox")
_BLOCK = re.compile(r"\{%-?\s*block\s+(\w+)\s*-?%\}(.*?)\{%-?\s*endblock(?:\s+\w+)?\s*-?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The layout of one locale, compiled, with what the types' templates need of it."""

    html: Template
    text: Template
    button: Button
    css: str
    fixed: Mapping[str, Coded]


@dataclass(frozen=True, slots=True)
class Page:
    """One type in one locale. `fixed` holds its unchanging pieces, encoded once; rendering adds nothing to it."""

    type: str
    locale: str
    html: Template
    text: Template
    frame: Compiled
    fixed: Mapping[str, Coded]

    def html_pieces(self, values: dict[str, Any]) -> Iterator[str]:
        """The HTML part: the layout with the type's blocks in it."""
        return self._whole(self.frame.html, self.html, values)

    def text_pieces(self, values: dict[str, Any]) -> Iterator[str]:
        """The text part."""
        return self._whole(self.frame.text, self.text, values)

    def block(self, name: str, values: dict[str, Any]) -> str:
        """One block as plain text."""
        context = self.text.new_context(values)
        return "".join(self.text.blocks[name](context))

    def _whole(self, layout: Template, inner: Template, values: dict[str, Any]) -> Iterator[str]:
        # What `extends` would do, had the type's template to name its layout.
        context = Context(
            layout.environment, {**layout.globals, **values}, layout.name, layout.blocks | inner.blocks
        )
        return layout.root_render_func(context)


def blocks_of(source: str, name: str) -> dict[str, str]:
    """The source of each block, without the blank space around it.

    Raises TemplateSyntaxError when a block is missing, twice there, or unknown.
    """
    found = [match[1] for match in _BLOCK.finditer(source)]
    for block in BLOCKS:
        if found.count(block) != 1:
            raise TemplateSyntaxError(
                f"block {block!r} is {'missing' if block not in found else 'doubled'}", 1, name
            )
    for block in found:
        if block not in BLOCKS:
            raise TemplateSyntaxError(f"block {block!r} is not one of {', '.join(BLOCKS)}", 1, name)
    return {match[1]: match[2].strip() for match in _BLOCK.finditer(source)}


def make_page(type_: str, locale: str, source: str, frame: Compiled) -> Page:
    """Compile. Raises TemplateSyntaxError, whose line is that of the source."""
    name = f"{type_}/{locale}.j2"
    blocks = blocks_of(source, name)
    blocks["html"] = inlined(blocks["html"], frame.css)
    try:
        html = compiled(frame.html.environment, _only(blocks, "preheader", "html"), name, frame.button)
        text = compiled(frame.text.environment, _only(blocks, "subject", "preheader", "text", "inbox"), name)
    except TemplateSyntaxError:
        compiled(frame.html.environment, source, name, frame.button)
        raise
    return Page(type_, locale, html, text, frame, {**frame.fixed, **coded(html), **coded(text)})


def _only(blocks: dict[str, str], *names: str) -> str:
    return "".join(f"{{% block {name} %}}{blocks[name]}{{% endblock %}}" for name in names)


def coded(template: Template) -> dict[str, Coded]:
    """Every piece that a template yields unchanged."""
    renders = (template.root_render_func, *template.blocks.values())
    return {piece: encode(piece) for render in renders for piece in _constants(render.__code__) if piece}


def _constants(code: CodeType) -> Iterator[str]:
    """Every string of a compiled block, so every piece that it yields unchanged."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _constants(constant)
