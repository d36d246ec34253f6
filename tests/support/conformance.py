"""`python -m tests.support.conformance` prints docs/conformance.md: the clauses of specifications, and their tests.

A test names the clause that it holds to: `@pytest.mark.conformance("RFC 3339", "5.6 time-offset", "sentence")`. They
are literals, since the table is read from the source. The sentence says what Tocsin does, in words of its own.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.support.paths import ROOT

_INTRODUCTION = """\
# Conformance

What Tocsin does for each clause of the specifications that it implements, with the test that holds
it to that. This page is made from the tests: `make docs`.
"""


class Clause(NamedTuple):
    """A clause of a specification: what Tocsin does, and the test by its file and name."""

    specification: str
    clause: str
    behaviour: str
    file: str
    test: str


def clauses() -> list[Clause]:
    """Return the clauses that the tests name, by specification and number. Raise ValueError for a mark without text."""
    found = [
        clause
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.conformance" in (source := path.read_text(encoding="utf-8"))
        for clause in _of_module(ast.parse(source), path.relative_to(ROOT).as_posix())
    ]
    return sorted(found, key=lambda c: (c.specification, _natural(c.clause), c.behaviour, c.file, c.test))


def conformance_page() -> str:
    """Return the page as Markdown."""
    tables: dict[str, dict[tuple[str, str], list[Clause]]] = defaultdict(lambda: defaultdict(list))
    for clause in clauses():
        tables[clause.specification][clause.clause, clause.behaviour].append(clause)
    return _INTRODUCTION + "".join(_table(name, rows) for name, rows in tables.items())


def _table(specification: str, rows: Mapping[tuple[str, str], Sequence[Clause]]) -> str:
    lines = "".join(
        f"| {clause} | {behaviour} | {', '.join(dict.fromkeys(map(_link, tests)))} |\n"
        for (clause, behaviour), tests in rows.items()
    )
    return f"\n## {specification}\n\n| clause | what Tocsin does | test |\n|---|---|---|\n{lines}"


def _link(clause: Clause) -> str:
    return f"[`{clause.test}`](../{clause.file})"


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key in which 3.10 comes after 3.9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"\d+|\D+", text)]


def _of_module(tree: ast.Module, file: str) -> Iterator[Clause]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in function.decorator_list:
                for node in ast.walk(decorator):
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.conformance":
                        yield _of_mark(node, file, function.name)


def _of_mark(mark: ast.Call, file: str, test: str) -> Clause:
    texts = [ast.literal_eval(argument) for argument in mark.args]
    if len(texts) != 3 or mark.keywords or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(
            f"{file}:{mark.lineno}: a conformance mark has a specification, a clause and a sentence"
        )
    specification, clause, behaviour = (text.replace("|", "\\|") for text in texts)
    return Clause(specification, clause, behaviour, file, test)


if __name__ == "__main__":
    sys.stdout.write(conformance_page())
