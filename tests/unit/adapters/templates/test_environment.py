"""The fast paths of our environments have the same meaning as Jinja2's own code."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from service.adapters.templates.environment import Sandbox, make_environment


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
COMPILED = [(text, [(a.from_string(text), b.from_string(text)) for a, b in PAIRS]) for text in EXPRESSIONS]


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


@pytest.mark.parametrize(
    "text", ["{{ data.__class__ }}", "{{ data.a.__class__.mro() }}", "{{ data.items() }}"]
)
def test_the_sandbox_hides_python(text: str) -> None:
    """A dict has its fields only, no attribute or method of Python."""
    for fast, _ in PAIRS:
        with pytest.raises((UndefinedError, SecurityError)):
            fast.from_string(text).render(data={"a": "x"})
