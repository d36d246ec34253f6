"""Reader of MIME (RFC 2045, RFC 2046) whose cost is linear in the octets and bounded by `Limits`.

The content is written by strangers. The standard library's parser looks at each line once for each open multipart, so
a small message can cost minutes. This one finds the lines that may be boundaries in one pass, and stops at its limits:
what is beyond them is not read. It never raises, whatever the octets are.
"""

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Limits(NamedTuple):
    """The most that is read of a message. Sizes in octets; `depth` counts multiparts and messages inside others."""

    octets: int = 262_144
    parts: int = 100
    depth: int = 10
    boundary_lines: int = 2000
    header_octets: int = 32_768
    header_lines: int = 2000
    field_octets: int = 4096


LIMITS = Limits()

_BOUNDARY_LINE = re.compile(rb"^--[^\n]*", re.MULTILINE)
_FIRST_BOUNDARY = re.compile(rb"^--([^\n]{1,70})\n(?=content-[a-z-]{1,40}:)", re.MULTILINE | re.IGNORECASE)
_FIELD_NAME = re.compile(rb"[!-9;-~]{1,76}[ \t]*:")
_PARAMETER = re.compile(
    r'[;\s]\s{0,20}([a-z0-9*-]{1,30})\s{0,9}=\s{0,9}(?:"([^"]{0,200})"|([^\s;"]{1,200}))', re.I
)
_ENCODED_WORD = re.compile(r"=\?([a-z0-9_-]{1,40})(?:\*[a-z-]{0,20})?\?([bq])\?([^?\s]{0,400})\?=", re.I)
_CHARSET = re.compile(
    r"us-ascii|utf-?8|utf-?7|unicode-1-1-utf-7|iso-?8859-\d{1,2}|windows-125\d|cp\d{3,4}|koi8-[ru]|gb2312|gbk|gb18030|"
    r"big5|hz-gb-2312|euc-(?:jp|kr|tw)|shift_?jis|iso-2022-(?:jp|kr)|ks_c_5601-1987|macintosh",
    re.IGNORECASE,
)
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})


@dataclass(slots=True)
class Part:
    """A message, or a part of one. `body`: its octets, as they were sent; of a multipart, those before its first part.

    `fields`: name in lower case and value, in order, unfolded and not decoded.
    """

    fields: list[tuple[str, str]]
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: list["Part"] = field(default_factory=list)
    cut: bool = False
    """Whether a limit ended the reading inside this message."""

    def get(self, name: str) -> str:
        """Return the first field of this name, in lower case; empty where there is none."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, *names: str) -> list[str]:
        """Return the values of the fields of these names, in lower case."""
        return [value for key, value in self.fields if key in names]

    def walk(self) -> Iterator["Part"]:
        """Yield this part and all below it, in the order of the message."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def decoded(self) -> bytes:
        """Return the body without its transfer encoding (RFC 2045 section 6)."""
        match self.get("content-transfer-encoding").strip().lower():
            case "base64":
                try:
                    return a2b_base64(self.body)
                except Error:
                    return self.body
            case "quoted-printable":
                return a2b_qp(self.body)
        return self.body

    def text(self, most: int = 65_536) -> str:
        """Return at most so many octets of the body as text; octets that do not fit the charset are replaced."""
        return decode_text(self.decoded()[:most], self.parameters.get("charset", ""))


def own_parts(message: Part) -> list[Part]:
    """Return a message and its parts, without those of messages inside it."""
    own = [message]
    for part in message.parts:
        if not part.content_type.startswith("message/"):
            own += own_parts(part)
    return own


def read_message(raw: bytes, limits: Limits = LIMITS) -> Part:
    """Return the message in these octets, as far as the limits allow."""
    budget = _Budget(limits.parts, limits.header_lines, limits.boundary_lines)
    return _Reader(raw, limits, budget, 0).message()


def read_fields(octets: bytes, limits: Limits = LIMITS) -> list[list[tuple[str, str]]]:
    """Return groups of fields that blank lines separate, as in RFC 3464; at most as many as `limits.parts`."""
    groups = re.split(rb"\n[ \t]*\n+", unify_line_ends(octets[: limits.octets]), maxsplit=limits.parts)
    budget = _Budget(0, limits.header_lines, 0)
    return [_fields(group, limits, budget) for group in groups[: limits.parts]]


def decode_text(octets: bytes, charset: str) -> str:
    """Return octets as text. A charset that is not known is taken for UTF-8, or else for Latin-1."""
    if _CHARSET.fullmatch(charset) and charset.lower() not in ("us-ascii", "utf-8"):
        name = "utf-7" if charset.lower().endswith("utf-7") else charset
        try:
            return octets.decode(name, "replace")
        except (LookupError, ValueError):
            pass
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def decode_words(value: str) -> str:
    """Return a field with its encoded words (RFC 2047) decoded."""
    return _ENCODED_WORD.sub(_decode_word, value[: LIMITS.field_octets])


def unify_line_ends(octets: bytes) -> bytes:
    """Return the octets with LF as the only line end."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@dataclass(slots=True)
class _Budget:
    """How much may still be read, in the message and all messages inside it."""

    parts: int
    header_lines: int
    boundary_lines: int


class _Open(NamedTuple):
    """A multipart that has not ended."""

    boundary: bytes
    part: Part


class _Reader:
    """Reader of one message. Messages that are base64 inside it get a reader of their own, with the same budget."""

    def __init__(self, raw: bytes, limits: Limits, budget: _Budget, depth: int) -> None:
        self._raw = unify_line_ends(raw[: limits.octets])
        self._limits = limits
        self._budget = budget
        self._depth = depth  # of the message itself
        self._cut = len(raw) > limits.octets

    def message(self) -> Part:
        """Return the message. One pass over the lines that may be boundaries; a stack holds the open multiparts."""
        root, at = self._part(0)
        open_parts: list[_Open] = []
        current: Part | None = root
        self._enter(root, at, open_parts)
        for match in _BOUNDARY_LINE.finditer(self._raw, at) if open_parts else ():
            self._budget.boundary_lines -= 1
            if self._budget.boundary_lines < 0 or self._budget.parts <= 0:
                self._cut = True
                break
            line = match[0].rstrip(b" \t")
            level = _level(open_parts, line)
            if level is None or match.start() < at:
                continue
            self._finish(current, at, match.start())
            current = None
            del open_parts[level + 1 :]
            if line == open_parts[level].boundary + b"--":
                del open_parts[level]
                continue
            current, at = self._part(match.end() + 1)
            open_parts[level].part.parts.append(current)
            self._enter(current, at, open_parts)
        self._finish(current, at, len(self._raw))
        root.cut = self._cut
        return root

    def _part(self, start: int) -> tuple[Part, int]:
        """Return the part whose header begins at `start`, without its body, and where the body begins.

        A header ends at a blank line, at a line that may be a boundary, or at its limit.
        """
        self._budget.parts -= 1
        last = min(start + self._limits.header_octets, len(self._raw))
        if self._raw.startswith(b"\n", start):
            end = body = start + 1
        else:
            blank, boundary = (self._raw.find(mark, start, last) for mark in (b"\n\n", b"\n--"))
            if boundary >= 0 and not 0 <= blank < boundary:
                end = body = boundary + 1
            else:
                end, body = (blank + 1, blank + 2) if blank >= 0 else (last, last)
        fields = _fields(self._raw[start:end], self._limits, self._budget)
        part = Part(fields)
        if value := part.get("content-type"):
            kind = (value.split(";", 1)[0].split() or [""])[0]
            part.content_type = kind.lower()[:100] if "/" in kind else "text/plain"
            part.parameters = _parameters(value)
        return part, body

    def _enter(self, part: Part, at: int, open_parts: list[_Open]) -> None:
        """Open a part whose body begins at `at`, if it is a multipart."""
        multipart, outermost = part.content_type.startswith("multipart/"), not open_parts
        if not multipart and not (outermost and not part.get("content-type")):
            return
        if self._depth + len(open_parts) >= self._limits.depth:
            self._cut = True
            return
        boundary = part.parameters.get("boundary", "").rstrip()
        line = b"--" + boundary.encode("utf-8", "replace")
        if outermost and (not boundary or self._raw.find(b"\n" + line, max(at - 1, 0)) < 0):
            # a gateway has removed the header or changed the boundary: the first line that may be one is it
            guessed = _FIRST_BOUNDARY.search(self._raw, at)
            line = b"--" + guessed[1].rstrip() if guessed else b""
        if line not in (b"", b"--"):
            open_parts.append(_Open(line, part))

    def _finish(self, part: Part | None, start: int, end: int) -> None:
        """Store the body of a part; where it is a message, read that too."""
        if part is None:
            return
        part.body = self._raw[start : max(end - 1, start)] if end < len(self._raw) else self._raw[start:end]
        if part.content_type in _MESSAGES and self._budget.parts > 0:
            if self._depth + 1 >= self._limits.depth:
                self._cut = True
                return
            inner = _Reader(part.decoded(), self._limits, self._budget, self._depth + 1)
            part.parts.append(inner.message())
            part.body = b""
            self._cut = self._cut or inner._cut


def _level(open_parts: list[_Open], line: bytes) -> int | None:
    """Return the level of the innermost multipart whose boundary this line is."""
    for level in range(len(open_parts) - 1, -1, -1):
        boundary = open_parts[level].boundary
        if line.startswith(boundary) and line[len(boundary) :] in (b"", b"--"):
            return level
    return None


def _fields(block: bytes, limits: Limits, budget: _Budget) -> list[tuple[str, str]]:
    """Return the fields of a header, unfolded (RFC 5322 section 2.2.3).

    A line that is no field belongs to the one before it, as if it began with the space that it lacks.
    """
    lines = block[: limits.header_octets].split(b"\n", max(budget.header_lines, 0))[: budget.header_lines]
    budget.header_lines -= len(lines)
    values: list[list[bytes]] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t") and _FIELD_NAME.match(line):
            values.append([line])
        elif values:
            values[-1].append(line)
    fields = []
    for parts in values:
        name, _, value = b" ".join(parts)[: limits.field_octets].partition(b":")
        fields.append((name.decode("latin-1").strip().lower(), decode_text(value, "").strip()))
    return fields


def _parameters(value: str) -> dict[str, str]:
    """Return the parameters of a Content-Type, also those in pieces or with a charset (RFC 2231)."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        name = match[1].lower()
        text = match[2] if match[2] is not None else match[3]
        name, star, _ = name.partition("*")
        found[name] = found.get(name, "") + text if star else text
    return found


def _decode_word(match: re.Match[str]) -> str:
    octets = match[3].encode("utf-8", "replace")
    if match[2] in "qQ":
        return decode_text(a2b_qp(octets, header=True), match[1])
    try:
        return decode_text(a2b_base64(octets), match[1])
    except Error:
        return match[0]
