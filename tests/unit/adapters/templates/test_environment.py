"""The fast paths of our environments have the same meaning as Jinja2's own code."""

import quopri
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined, UndefinedError
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from service.adapters.templates.code_generator import BodyCodeGenerator, PartCodeGenerator
from service.adapters.templates.context import Fields
from service.adapters.templates.environment import (
    Sandbox,
    TemplateNames,
    compile_part,
    make_environment,
    parse_blocks,
    part_pieces,
)
from service.adapters.templates.quoted_printable import EncodedValues, join_pieces


class Plain(Sandbox):
    """The sandbox with Jinja2's own code generator."""

    code_generator_class = CodeGenerator


def none_as_empty(value: object) -> object:
    return "" if value is None else value


EXPRESSIONS = [
    "{{ data.a }}",
    "{{ data.a.b }}",
    "{{ data.missing is defined }}",
    "{{ data.a is none }}{{ data.a is not none and data.many }}{{ not data.a is none }}",
    "{{ data.missing is none }}",
    "{% if data.a %}{{ data.a }}{% else %}none{% endif %}",
    "{% for one in data.many %}{{ one }}{{ one.b is defined }}{% endfor %}",
    "{% set data = data.a %}{{ data.b is defined }}",
    "{{ data.a if data.many else data.many }}",
    "{{ none }}{{ 1 }}{{ data.a ~ data.many }}",
    "{% autoescape false %}{{ data.a }}{% endautoescape %}",
    "{% autoescape true %}{{ data.a }}{% endautoescape %}",
]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
    st.sampled_from(["<b>&\"'", Markup("<b>"), "it's", {"b": "<"}, {"items": 1}]),
)  # fmt: skip
PAIRS = [
    (
        make_environment(html=html, shared={}),
        Plain(autoescape=html, undefined=StrictUndefined, finalize=none_as_empty, keep_trailing_newline=True),
    )
    for html in (True, False)
]
for fast, plain in PAIRS:
    fast.globals["recipient"] = Fields(locale="en")
    plain.globals.update(fast.globals)
COMPILED = [(text, [(a.from_string(text), b.from_string(text)) for a, b in PAIRS]) for text in EXPRESSIONS]


# written by Jinja2's code generator otherwise than as an output of their own
CAPTURED = [
    "{% set kept %}<{{ data.a }}>{% endset %}{{ kept }}-{{ kept }}",
    "<{% filter upper %}a {{ data.a }}{% endfilter %}>",
    "{% macro twice(x) %}{{ x }}, {{ x }}{% endmacro %}<{{ twice(data.a) }}>",
    "{% macro framed() %}[{{ caller() }}]{% endmacro %}{% call framed() %}a {{ data.a }}{% endcall %}",
    "{% for one in data.many recursive %}<{{ one }}{% if loop.first %}{{ loop([]) }}{% endif %}>{% endfor %}",
    "{% for one in data.many %}{% set x = one %}{{ plural(1, one='<', other=x) }}{{ x }}{% endfor %}",
    "{% with x = data.a %}<{{ x }}>{% endwith %}{% set data = {} %}{{ data.a is defined }}",
]


def rendered(template: Any, data: object) -> str:
    try:
        return str(template.render(data=data))
    except UndefinedError as error:
        return f"undefined: {error}"


@pytest.mark.exhaustive
@given(VALUES, st.lists(VALUES, max_size=3))
@example({"b": None}, [None, {"b": 1}])
def test_output_is_the_same_as_from_jinja2(value: object, many: list[object]) -> None:
    """Look-ups, escaping, None and undefined names give the same text, or the same error."""
    for text, pairs in COMPILED:
        for fast, plain in pairs:
            data = {"a": value, "many": many}
            assert rendered(fast, data) == rendered(plain, data), text


def body(env: Environment, source: str, data: dict[str, object]) -> str:
    """Return what a body and a line of this source hold, which must be the same."""
    names = TemplateNames(env.globals, data=Fields(data))
    try:
        pieces = part_pieces(compile_part(BodyCodeGenerator, env, source, "test"), names, EncodedValues())
        line = "".join(part_pieces(compile_part(PartCodeGenerator, env, source, "test"), names))
    except UndefinedError as error:
        return f"undefined: {error}"
    decoded = quopri.decodestring(join_pieces(pieces)).decode().replace("\r\n", "\n")
    assert decoded == line.replace("\r\n", "\n").replace("\r", "\n")
    return line


@pytest.mark.parametrize("text", [*EXPRESSIONS, *CAPTURED])
@pytest.mark.parametrize("value", [None, 0, "it's <b>", "ä\n.b", Markup("<b>"), {"b": "<"}])
def test_a_body_is_the_same_as_from_jinja2(text: str, value: object) -> None:
    """Encoded where the code is written and where it runs, a part decodes to what Jinja2 writes."""
    for fast, plain in PAIRS:
        data = {"a": value, "many": [value, "=", {"b": "."}]}
        assert body(fast, text, data) == rendered(plain.from_string(text), data)


def test_a_layout_is_filled() -> None:
    """A block sees what the layout has set; nothing outside sees what a block has set."""
    layout = (
        "{% set x = 1 %}<{% block one %}{% endblock %}>{{ y is defined }}<{% block two %}kept{% endblock %}>"
    )
    env, _ = PAIRS[0]
    bodies = parse_blocks(env, "{% block one %}{{ x }}{% set y = 2 %}{{ y }}{% endblock %}", "test")
    part = compile_part(PartCodeGenerator, env, layout, "test", bodies=bodies)

    assert "".join(part_pieces(part, TemplateNames())) == "<12>False<kept>"


@pytest.mark.parametrize(
    "text", ["{{ data.__class__ }}", "{{ data.a.__class__.mro() }}", "{{ data.items() }}"]
)
def test_the_sandbox_hides_python(text: str) -> None:
    """A dict has its fields only, no attribute or method of Python."""
    for fast, _ in PAIRS:
        with pytest.raises((UndefinedError, SecurityError)):
            fast.from_string(text).render(data={"a": "x"})
        part = compile_part(PartCodeGenerator, fast, text, "test")
        with pytest.raises((UndefinedError, SecurityError)):
            "".join(part_pieces(part, TemplateNames(data=Fields(a="x"))))
