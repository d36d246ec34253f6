"""docs/conformance.md has a row for each clause that a test names, and is made from the tests."""

import ast

import pytest

from tests.support.conformance import _of_module, clauses, conformance_page
from tests.support.paths import ROOT


def test_the_conformance_page_is_committed() -> None:
    """docs/conformance.md is made from the tests: `make docs`."""
    assert (ROOT / "docs" / "conformance.md").read_text() == conformance_page()


def test_a_clause_has_one_sentence() -> None:
    """Two tests of one clause either share the sentence or name different parts of it in the clause."""
    sentences: dict[tuple[str, str], set[str]] = {}
    for clause in clauses():
        sentences.setdefault(clause[:2], set()).add(clause.behaviour)
    assert not {key: texts for key, texts in sentences.items() if len(texts) > 1}


def test_a_mark_is_complete() -> None:
    """A mark without a sentence is an error, not a row without one."""
    source = '@pytest.mark.conformance("RFC 3339", "5.6")\ndef test_x(): ...'
    with pytest.raises(ValueError, match="a specification, a clause and a sentence"):
        list(_of_module(ast.parse(source), "tests/x.py"))
