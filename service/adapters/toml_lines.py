"""The lines of a TOML document on which its tables, keys and array elements begin: for messages about their values."""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from itertools import count

TomlPath = tuple[str | int, ...]
"""The keys that lead to a value, and for an element of an array its place: `("overbid", "audience", 0, "kind")`."""

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRINGS = {
    '"""': re.compile(r'"""(?:\\.|[^\\])*?"{3}(?!")', re.DOTALL),
    "'''": re.compile(r"'''.*?'{3}(?!')", re.DOTALL),
    '"': re.compile(r'"(?:\\.|[^"\\\n])*"'),
    "'": re.compile(r"'[^'\n]*'"),
}


class TomlLines:
    """The lines, from 1, of everything that a document declares; it must be one that `tomllib` accepts."""

    def __init__(self, text: str) -> None:
        self._scanner = _Scanner(text)
        with suppress(ValueError, IndexError):  # a message without the exact line is better than none
            self._scanner.document()

    @property
    def lines(self) -> dict[TomlPath, int]:
        """Return the line of each table, key and array element; of a table without a header, that of its first key."""
        return self._scanner.lines

    def line(self, path: TomlPath) -> int:
        """Return the line of what is nearest: the value, or the innermost table around it; 1 for nothing of it."""
        return next(
            (self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 1
        )


class _Scanner:
    """Reads a document from its begin to its end (TOML 1.0), values only as far as it must to find where they end."""

    def __init__(self, text: str) -> None:
        self.lines: dict[TomlPath, int] = {}
        self._text = text
        self._place = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._elements: dict[TomlPath, int] = {}  # how many each array of tables has so far

    def document(self) -> None:
        table: TomlPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._place] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> TomlPath:
        """Read `[table]` or `[[array]]`; return the path of the table whose pairs follow."""
        line, brackets = self._line(), 2 if self._text.startswith("[[", self._place) else 1
        self._place += brackets
        path: TomlPath = ()
        keys = self._keys()
        for number, key in enumerate(keys, 1):
            path += (key,)
            self.lines.setdefault(path, line)
            if number == len(keys) and brackets == 2:
                self._elements[path] = self._elements.get(path, 0) + 1
            if path in self._elements:  # what follows belongs to the last element
                path += (self._elements[path] - 1,)
        self.lines[path] = line  # also where a table within this one came before
        self._place += brackets
        return path

    def _pair(self, table: TomlPath) -> None:
        """Read `key = value`."""
        line, path = self._line(), table
        for key in self._keys():
            path += (key,)
            self.lines.setdefault(path, line)
        self._place += 1
        self._value(path)

    def _value(self, path: TomlPath) -> None:
        start = self._skip(_SPACE)
        opening = self._text[start]
        if opening == "[":
            self._place += 1
            for number in count():
                self._skip(_BLANK)
                if self._text[self._place] == "]":
                    break
                self.lines[(*path, number)] = self._line()
                self._value((*path, number))
                self._skip_comma()
            self._place += 1
        elif opening == "{":
            self._place += 1
            while self._skip(_BLANK) and self._text[self._place] != "}":
                self._pair(path)
                self._skip_comma()
            self._place += 1
        elif not self._string() and self._skip(_SCALAR) == start:
            raise ValueError("there is no value")

    def _keys(self) -> list[str]:
        """Read a key, which may be dotted and quoted, up to what follows it."""
        keys = list[str]()
        while True:
            start = self._skip(_SPACE)
            if self._string():
                keys.append(tomllib.loads(f"key = {self._text[start : self._place]}")["key"])
            elif self._skip(_BARE_KEY) == start:
                raise ValueError("there is no key")
            else:
                keys.append(self._text[start : self._place])
            self._skip(_SPACE)
            if self._text[self._place] != ".":
                return keys
            self._place += 1

    def _string(self) -> bool:
        """Read a string, if there is one."""
        for quotes, pattern in _STRINGS.items():
            if self._text.startswith(quotes, self._place):
                self._skip(pattern)
                return True
        return False

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._place] == ",":
            self._place += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        """Pass over what the pattern matches here; return the new place."""
        if match := pattern.match(self._text, self._place):
            self._place = match.end()
        return self._place

    def _line(self) -> int:
        return bisect_right(self._ends, self._place - 1) + 1
