"""A type's template in one locale, compiled: pieces of text that never change, and holes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jinja2 import Template, TemplateSyntaxError
from jinja2.runtime import Context

from service.adapters.templates.environment import Button, compiled
from service.adapters.templates.quoted import Coded, encode
from service.adapters.templates.styles import inlined

Blocks = dict[str, list[Callable[[Context], Iterator[str]]]]
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
    """One type in one locale. `fixed` holds its unchanging pieces, encoded once; rendering adds nothing to it.

    `html_blocks` and `text_blocks` are those of the layout and of the type together.
    """

    type: str
    locale: str
    html: Template
    text: Template
    frame: Compiled
    fixed: Mapping[str, Coded]
    html_blocks: Blocks
    text_blocks: Blocks

    def html_pieces(self, values: dict[str, Any]) -> Iterator[str]:
        """The HTML part: the layout with the type's blocks in it."""
        return self._whole(self.frame.html, self.html_blocks, values)

    def text_pieces(self, values: dict[str, Any]) -> Iterator[str]:
        """The text part."""
        return self._whole(self.frame.text, self.text_blocks, values)

    def block(self, name: str, values: dict[str, Any]) -> str:
        """One block as plain text."""
        return "".join(self.text.blocks[name](_context(self.text, self.text_blocks, values)))

    def _whole(self, layout: Template, blocks: Blocks, values: dict[str, Any]) -> Iterator[str]:
        # What `extends` would do, had the type's template to name its layout.
        return layout.root_render_func(_context(layout, blocks, values))


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
    fixed = {**frame.fixed, **coded(html), **coded(text)}
    return Page(type_, locale, html, text, frame, fixed, _blocks(frame.html, html), _blocks(frame.text, text))


def _blocks(layout: Template, inner: Template) -> Blocks:
    return {name: [block] for name, block in (layout.blocks | inner.blocks).items()}


def _context(template: Template, blocks: Blocks, values: dict[str, Any]) -> Context:
    """A context of one mail. Nothing is added to its blocks: none of our templates extends another."""
    context = Context(template.environment, {**template.globals, **values}, template.name, {})
    context.blocks = blocks
    return context


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
