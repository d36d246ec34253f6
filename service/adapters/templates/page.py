"""The template of a type in one locale, compiled: constant pieces of text, and the values between them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, Template, TemplateSyntaxError

from service.adapters.templates.code_generator import BodyCodeGenerator, PartCodeGenerator
from service.adapters.templates.environment import (
    Button,
    TemplateNames,
    compile_part,
    compile_template,
    parse_blocks,
    part_pieces,
)
from service.adapters.templates.layout import Layout
from service.adapters.templates.quoted_printable import EncodedValues
from service.adapters.templates.styles import inline_css

LINES = ("subject", "preheader", "inbox")
BLOCKS = (*LINES, "text", "html")
DIGEST_BLOCKS = ("subject", "preheader", "text", "html")
_BLOCK = re.compile(r"\{%-?\s*block\s+(\w+)\s*-?%\}(.*?)\{%-?\s*endblock(?:\s+\w+)?\s*-?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CheckedLayout:
    """The layout of one locale, whose sources compile, with the environments of its two parts."""

    source: Layout
    html: Environment
    text: Environment
    button: Button


@dataclass(frozen=True, slots=True)
class Page:
    """One type in one locale: two bodies, the layout with the type's blocks in it, and `lines`, blocks of one line."""

    type: str
    locale: str
    html: Template
    text: Template
    lines: Mapping[str, Template]

    def bodies(self, names: TemplateNames) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Return the pieces of the text and of the HTML, encoded; a value that both show is encoded once."""
        values = EncodedValues()
        return part_pieces(self.text, names, values), part_pieces(self.html, names, values)

    def block(self, name: str, names: TemplateNames) -> str:
        """Return the block subject, preheader or inbox as plain text."""
        return "".join(part_pieces(self.lines[name], names))


def split_blocks(source: str, name: str, expected: Sequence[str] = BLOCKS) -> dict[str, str]:
    """Return the source of each expected block, without the white space around it.

    Raise TemplateSyntaxError when a block is missing, repeated or unknown.
    """
    names = [match[1] for match in _BLOCK.finditer(source)]
    for block in expected:
        if names.count(block) != 1:
            raise TemplateSyntaxError(
                f"block {block!r} is {'missing' if block not in names else 'repeated'}", 1, name
            )
    for block in names:
        if block not in expected:
            raise TemplateSyntaxError(f"block {block!r} is not one of {', '.join(expected)}", 1, name)
    return {match[1]: match[2].strip() for match in _BLOCK.finditer(source)}


def compile_page(
    type_name: str,
    locale: str,
    source: str,
    layout: CheckedLayout,
    body: type[PartCodeGenerator] = BodyCodeGenerator,
    *,
    expected: Sequence[str] = BLOCKS,
) -> Page:
    """Return the page of a template of the `expected` blocks; `body` writes the code of its bodies.

    Raise TemplateSyntaxError with the line of `source`.
    """
    name = f"{type_name}/{locale}.j2"
    blocks = split_blocks(source, name, expected)
    blocks["html"] = inline_css(blocks["html"], layout.source.css)
    html, text = layout.html, layout.text
    try:
        in_html = parse_blocks(html, _block_source(blocks, "preheader", "html"), name)
        in_text = parse_blocks(text, _block_source(blocks, "preheader", "text"), name)
        return Page(
            type_name,
            locale,
            compile_part(body, html, layout.source.html, name, bodies=in_html, button=layout.button),
            compile_part(body, text, layout.source.text, name, bodies=in_text),
            {
                block: compile_part(PartCodeGenerator, text, blocks[block], name)
                for block in LINES
                if block in blocks
            },
        )
    except TemplateSyntaxError:
        # The joined blocks have other line numbers. Compiling the whole source raises with the author's line.
        compile_template(html, source, name, layout.button)
        raise


def _block_source(blocks: dict[str, str], *names: str) -> str:
    return "".join(f"{{% block {name} %}}{blocks[name]}{{% endblock %}}" for name in names)
