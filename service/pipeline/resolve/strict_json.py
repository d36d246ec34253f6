"""JSON of events: RFC 8259 with one meaning only. What other parsers accept beyond that is refused with a reason.

Every step is one pass over the bytes in C, or over the containers of the document: the cost is in proportion to the
size, whatever the bytes are.
"""

import json
import re
from typing import Any

import orjson

from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.model.validators import MAX_INTEGER, MIN_INTEGER

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_CONTAINERS = 65_536
"""Objects and arrays in a document: they cost the most for their bytes."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_NAMED_UP_TO = 16 * 1024
"""Bytes. In a larger document the duplicate key is not named: finding it takes a slow parser."""

# Every key in a document matches this; so may text inside strings. Equal numbers prove that no key was dropped.
_KEY = re.compile(rb'"[ \t\r\n]*:')
# In a document without escapes: a string, and the colon that makes it a key.
_STRING = re.compile(rb'"[^"]*+"(?:[ \t\r\n]*+(:))?')
_TOO_DEEP = re.compile(rb"[\[{]{%d}" % (MAX_DEPTH + 1))
_ZEROS = bytes.maketrans(b"123456789", b"000000000")  # faster than a search for 19 digits by pattern
_LONG_NUMBER = b"0" * 19
_LONG_INTEGER = re.compile(rb"(?:^|[\[,:\s])(-?[0-9]{19,}+)(?![.eE])")
_MOST_DIGITS = len(str(MAX_INTEGER))
_CONFLUENT_BYTES = 1 + 4  # a zero byte, a schema id
_GLUE_BYTES = 1 + 1 + 16  # version, compression, a schema id
_NESTING = frozenset((dict, list))  # the parser makes exactly these


def loads(value: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """Return the document in these bytes. Raise InvalidEvent with the reason.

    A byte-order mark is ignored (RFC 8259 section 8.1). The parser accepts duplicate keys, so the keys of its tree are
    counted against those in the text; it rounds integers over 64 bits, so they are looked for in the text.
    """
    if len(value) > max_bytes:
        raise InvalidEvent(DeadReason.too_large, f"{len(value)} bytes")
    if value.startswith(BYTE_ORDER_MARK):
        value = value[len(BYTE_ORDER_MARK) :]
    if len(value) > MAX_CONTAINERS and value.count(b"{") + value.count(b"[") > MAX_CONTAINERS:
        _check_containers(value)
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _invalid(value, error) from None
    keys = _count_keys(document)
    if keys != len(_KEY.findall(value)) and keys != _written_keys(value):
        raise InvalidEvent(DeadReason.duplicate_key, _duplicate_key(value))
    if _LONG_NUMBER in value.translate(_ZEROS):
        _check_integers(value)
    return document


def _count_keys(document: Any) -> int:
    """Return the number of keys in the tree. Raise InvalidEvent for one that is too deep."""
    keys, depth = 0, 0
    level: list[Any] = [document] if type(document) in _NESTING else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidEvent(DeadReason.too_deep)
        below: list[Any] = []
        for node in level:
            children = node
            if type(node) is dict:
                keys += len(node)
                children = node.values()
            for child in children:
                if type(child) is dict or type(child) is list:
                    below.append(child)  # noqa: PERF401 - a list for each node costs more
        level = below
    return keys


def _check_containers(value: bytes) -> None:
    """Raise InvalidEvent for too many objects and arrays; brackets in strings do not count."""
    brackets = _STRING.sub(b"", _without_escapes(value)).translate(None, b" \t\r\n:")
    if brackets.count(b"{") + brackets.count(b"[") <= MAX_CONTAINERS:
        return
    if _TOO_DEEP.search(brackets):
        raise InvalidEvent(DeadReason.too_deep)
    raise InvalidEvent(DeadReason.too_large, f"more than {MAX_CONTAINERS} objects and arrays")


def _without_escapes(value: bytes) -> bytes:
    """Return a valid document in which each quote begins or ends a string."""
    return value.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in value else value


def _written_keys(value: bytes) -> int:
    """Return the number of keys in the text of a valid document: strings that a colon follows."""
    return sum(map(bool, _STRING.findall(_without_escapes(value))))


def _check_integers(value: bytes) -> None:
    """Raise InvalidEvent for an integer that does not fit 64 bits. Rounded, it would be another number."""
    if not _LONG_INTEGER.search(value):  # the digits are in a string, as those of an id
        return
    text = _STRING.sub(rb'""\1', _without_escapes(value))
    for digits in _LONG_INTEGER.findall(text):
        # The length before `int`, whose cost grows with its square.
        if len(digits) > _MOST_DIGITS + 1 or not MIN_INTEGER <= int(digits) <= MAX_INTEGER:
            raise InvalidEvent(DeadReason.number_out_of_range, digits[:40].decode())


def _duplicate_key(value: bytes) -> str:
    """Return the name of a key that an object has twice; empty in a document that is too large to look for it."""
    if len(value) > _NAMED_UP_TO:
        return ""
    duplicates: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                duplicates.append(name)
            names.add(name)

    json.loads(value, object_pairs_hook=note)
    return ascii(duplicates[0][:64]) if duplicates else ""


def _invalid(value: bytes, error: orjson.JSONDecodeError) -> InvalidEvent:
    """Return why the parser failed: from its message, or from the text at the place where it stopped."""
    if framing := _framing(value):  # first: a schema id and a binary payload are mostly no UTF-8
        return InvalidEvent(DeadReason.schema_registry_framing, framing)
    try:
        text = value.decode()
    except UnicodeDecodeError as undecodable:
        return InvalidEvent(DeadReason.invalid_utf8, f"at byte {undecodable.start}")
    for words, reason in _MESSAGES:
        if words in error.msg:
            return InvalidEvent(reason)
    before = error.pos - (error.msg == _AFTER_SIGN)
    for name in ("NaN", "Infinity", "-Infinity"):
        if text.startswith(name, before):
            return InvalidEvent(DeadReason.not_a_number, name)
    return InvalidEvent(DeadReason.invalid_json, str(error))


_AFTER_SIGN = "no digit after sign"  # the parser's place is then one after the sign
_MESSAGES = (
    ("depth limit", DeadReason.too_deep),
    ("surrogate in string", DeadReason.lone_surrogate),
    ("number is infinity", DeadReason.number_out_of_range),
)
"""Words in the parser's messages → reason; a test holds them to the parser in use."""


def _framing(value: bytes) -> str:
    """Return whose framing a value has that is no JSON: a serializer's header before the payload; empty without one."""
    if value[:1] == b"\x00" and len(value) > _CONFLUENT_BYTES:
        return "a zero byte and a schema id come before the payload; publish plain JSON"
    if value[:2] in (b"\x03\x00", b"\x03\x05") and len(value) > _GLUE_BYTES:
        return "the header of AWS Glue comes before the payload; publish plain JSON"
    return ""
