"""The template of a type in one locale, compiled: constant pieces of text, and the values between them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

from jinja2 import Template, TemplateSyntaxError
from jinja2.runtime import Context

from service.adapters.templates.environment import Button, MessageContext, TemplateNames, compile_template
from service.adapters.templates.quoted_printable import EncodedPiece, encode_piece
from service.adapters.templates.styles import inline_css

Blocks = dict[str, list[Callable[[Context], Iterator[str]]]]
BLOCKS = ("subject", "preheader", "text", "html", "inbox")
_BLOCK = re.compile(r"\{%-?\s*block\s+(\w+)\s*-?%\}(.*?)\{%-?\s*endblock(?:\s+\w+)?\s*-?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CompiledLayout:
    """The layout of one locale, compiled, with the parts of it that the templates of types use."""

    html: Template
    text: Template
    button: Button
    css: str
    fixed: Mapping[str, EncodedPiece]


@dataclass(frozen=True, slots=True)
class Page:
    """One type in one locale. `fixed` holds its constant pieces, encoded once; rendering adds nothing to it.

    `html_blocks` and `text_blocks` hold the blocks of the layout and of the type together.
    """

    type: str
    locale: str
    html: Template
    text: Template
    layout: CompiledLayout
    fixed: Mapping[str, EncodedPiece]
    html_blocks: Blocks
    text_blocks: Blocks

    def html_pieces(self, names: TemplateNames) -> Iterator[str]:
        """Yield the HTML part: the layout with the type's blocks in it."""
        layout = self.layout.html
        # The same as `extends`, without the type's template having to name its layout.
        return layout.root_render_func(MessageContext(layout, self.html_blocks, names))

    def text_pieces(self, names: TemplateNames) -> Iterator[str]:
        """Yield the text part: the layout with the type's blocks in it."""
        layout = self.layout.text
        return layout.root_render_func(MessageContext(layout, self.text_blocks, names))

    def block(self, name: str, names: TemplateNames) -> str:
        """Return one block as plain text."""
        return "".join(self.text.blocks[name](MessageContext(self.text, self.text_blocks, names)))


def split_blocks(source: str, name: str) -> dict[str, str]:
    """Return the source of each block, without the white space around it.

    Raise TemplateSyntaxError when a block is missing, repeated or unknown.
    """
    names = [match[1] for match in _BLOCK.finditer(source)]
    for block in BLOCKS:
        if names.count(block) != 1:
            raise TemplateSyntaxError(
                f"block {block!r} is {'missing' if block not in names else 'repeated'}", 1, name
            )
    for block in names:
        if block not in BLOCKS:
            raise TemplateSyntaxError(f"block {block!r} is not one of {', '.join(BLOCKS)}", 1, name)
    return {match[1]: match[2].strip() for match in _BLOCK.finditer(source)}


def compile_page(type_name: str, locale: str, source: str, layout: CompiledLayout) -> Page:
    """Return the page of a template. Raise TemplateSyntaxError with the line of `source`."""
    name = f"{type_name}/{locale}.j2"
    blocks = split_blocks(source, name)
    blocks["html"] = inline_css(blocks["html"], layout.css)
    try:
        html = compile_template(
            layout.html.environment, _block_source(blocks, "preheader", "html"), name, layout.button
        )
        text = compile_template(
            layout.text.environment, _block_source(blocks, "subject", "preheader", "text", "inbox"), name
        )
    except TemplateSyntaxError:
        # The joined blocks have other line numbers. Compiling the whole source raises with the author's line.
        compile_template(layout.html.environment, source, name, layout.button)
        raise
    fixed = {**layout.fixed, **encode_constants(html), **encode_constants(text)}
    return Page(
        type_name,
        locale,
        html,
        text,
        layout,
        fixed,
        _merge_blocks(layout.html, html),
        _merge_blocks(layout.text, text),
    )


def _merge_blocks(layout: Template, template: Template) -> Blocks:
    """Return the blocks of both; a block of the type's template replaces the layout's of the same name."""
    return {name: [block] for name, block in (layout.blocks | template.blocks).items()}


def _block_source(blocks: dict[str, str], *names: str) -> str:
    return "".join(f"{{% block {name} %}}{blocks[name]}{{% endblock %}}" for name in names)


def encode_constants(template: Template) -> dict[str, EncodedPiece]:
    """Return every piece that a template yields unchanged, with its encoded form."""
    renders = (template.root_render_func, *template.blocks.values())
    return {
        piece: encode_piece(piece) for render in renders for piece in _constants(render.__code__) if piece
    }


def _constants(code: CodeType) -> Iterator[str]:
    """Yield every string of a compiled block, which includes every piece that it yields unchanged."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _constants(constant)
