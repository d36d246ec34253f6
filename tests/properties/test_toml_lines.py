"""The lines of TOML documents: those on which a writer has put each key, whatever form the document has."""

import tomllib
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.adapters.toml_lines import TomlLines, TomlPath

_BARE = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
_QUOTED = st.sampled_from(["a b", "x.y", "[z]", "#", "=", 'q"q', "'", "ä", "\\", ""])
_KEYS = st.one_of(_BARE, _QUOTED)
_SCALARS = st.sampled_from(
    [
        "1",
        "-0.5",
        "true",
        "1979-05-27 07:32:00",
        '"text # [x] = {"',
        "'literal \\'",
        '"with \\" and \\\\"',
        '"""one\n[not.a.table] # "" no\nkey = 1 \\"""\nend""""',
        "'''\nkey = 'x'\n[t]''''",
        '""',
        "''",
        '""""""',
    ]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3).map(dict)),
    max_leaves=6,
)
_TABLE = st.dictionaries(_KEYS, _VALUES, max_size=4)
_SPACES = st.sampled_from(["", "\n", "# [comment] = 1\n", "  \t\n\n"])
_INNER = st.sampled_from(["", " ", "\n", " # ] , \n  "])


class _Writer:
    """Writes a document, and notes the line on which each path begins."""

    def __init__(self, draw: Any) -> None:
        self.text = ""
        self.lines: dict[TomlPath, int] = {}
        self._draw = draw

    def note(self, path: TomlPath) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def key(self, key: str) -> None:
        bare = key and all(char.isascii() and (char.isalnum() or char in "_-") for char in key)
        quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
        self.text += key if bare and self._draw(st.booleans()) else quoted

    def pairs(self, table: dict[str, Any], path: TomlPath) -> None:
        for name, value in table.items():
            self.text += self._draw(_SPACES) + self._draw(st.sampled_from(["", "  "]))
            self.pair(name, value, path)
            self.text += self._draw(st.sampled_from(["\n", " # comment\n"]))

    def pair(self, name: str, value: Any, path: TomlPath) -> None:
        self.note((*path, name))
        self.key(name)
        self.text += self._draw(st.sampled_from(["=", " = "]))
        self.value(value, (*path, name))

    def value(self, value: Any, path: TomlPath) -> None:
        if isinstance(value, list):
            self.text += "["
            for number, element in enumerate(value):
                self.text += self._draw(_INNER)
                self.note((*path, number))
                self.value(element, (*path, number))
                self.text += self._draw(_INNER) + (
                    "," if number + 1 < len(value) else self._draw(st.sampled_from(["", ","]))
                )
            self.text += self._draw(_INNER) + "]"
        elif isinstance(value, dict):
            self.text += "{"
            for number, (name, inner) in enumerate(value.items()):
                self.text += ", " if number else " "
                self.pair(name, inner, path)
            self.text += " }"
        else:
            self.text += value


@st.composite
def _documents(draw: Any) -> tuple[str, dict[TomlPath, int]]:
    writer, numbers = _Writer(draw), count()
    writer.pairs(draw(_TABLE), ())
    for name in draw(st.lists(_BARE, max_size=4, unique=True)):
        top = f"t{next(numbers)}{name}"
        if draw(st.booleans()):
            for element in range(draw(st.integers(1, 3))):
                writer.text += draw(_SPACES)
                if not element:
                    writer.note((top,))
                writer.note((top, element))
                writer.text += f"[[ {top} ]]\n"
                writer.pairs(draw(_TABLE), (top, element))
        else:
            writer.text += draw(_SPACES)
            writer.note((top,))
            writer.text += f"[{top}]\n"
            writer.pairs(draw(_TABLE), (top,))
            if draw(st.booleans()):
                writer.text += draw(_SPACES)
                writer.note((top, "in ner"))
                writer.text += f'[{top} . "in ner"] # header\n'
                writer.pairs(draw(_TABLE), (top, "in ner"))
    return writer.text, writer.lines


def _paths(value: Any, path: TomlPath = ()) -> list[TomlPath]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [one for key, inner in items for one in ((*path, key), *_paths(inner, (*path, key)))]


@given(_documents())
def test_every_path_has_the_line_on_which_it_was_written(document: tuple[str, dict[TomlPath, int]]) -> None:
    """What `tomllib` reads, and nothing else, has a line: strings, comments and nesting do not lead it astray."""
    text, expected = document
    parsed = tomllib.loads(text)

    assert TomlLines(text).lines == expected
    assert set(expected) == set(_paths(parsed))


def test_dotted_keys_and_late_headers() -> None:
    """A dotted key is a table's first line, until a header says better; an unknown path has that of what is around."""
    lines = TomlLines("a.b.c = 1\n[t.sub]\nx = 1\n[t]\ny = { z.w = 2 }\n")

    assert lines.lines == {
        ("a",): 1,
        ("a", "b"): 1,
        ("a", "b", "c"): 1,
        ("t",): 4,
        ("t", "sub"): 2,
        ("t", "sub", "x"): 3,
        ("t", "y"): 5,
        ("t", "y", "z"): 5,
        ("t", "y", "z", "w"): 5,
    }
    assert lines.line(("t", "sub", "none", 3)) == 2
    assert lines.line(("nothing",)) == 1
