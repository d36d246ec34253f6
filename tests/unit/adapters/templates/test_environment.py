"""The short ways of our environments mean what Jinja2's own code means."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from service.adapters.templates.environment import Sandbox, environment


class Plain(Sandbox):
    """The sandbox with the code that Jinja2 writes."""

    code_generator_class = CodeGenerator


def nothing(value: object) -> object:
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
        environment(html=html, shared={}),
        Plain(autoescape=html, undefined=StrictUndefined, finalize=nothing, keep_trailing_newline=True),
    )
    for html in (True, False)
]
COMPILED = [(text, [(a.from_string(text), b.from_string(text)) for a, b in PAIRS]) for text in EXPRESSIONS]


def told(template: Any, data: object) -> str:
    try:
        return str(template.render(data=data))
    except UndefinedError as error:
        return f"undefined: {error}"


@given(VALUES, st.lists(VALUES, max_size=3))
@example({"b": None}, [None, {"b": 1}])
def test_what_is_written_is_what_jinja2_writes(value: object, many: list[object]) -> None:
    """Looking up, escaping, None and what is undefined: the same text, or the same complaint."""
    for text, pairs in COMPILED:
        for quick, plain in pairs:
            data = {"a": value, "many": many}
            assert told(quick, data) == told(plain, data), text


@pytest.mark.parametrize(
    "text", ["{{ data.__class__ }}", "{{ data.a.__class__.mro() }}", "{{ data.items() }}"]
)
def test_the_sandbox_stays_shut(text: str) -> None:
    """A dict shows its fields, and nothing of what it is in Python."""
    for quick, _ in PAIRS:
        with pytest.raises((UndefinedError, SecurityError)):
            quick.from_string(text).render(data={"a": "x"})
