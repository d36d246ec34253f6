"""JSON as events may use it: RFC 8259 with one meaning only. What others let pass is refused with its reason."""

import json
import re
from typing import Any

import orjson

from service.model.event import InvalidEvent
from service.model.reasons import DeadReason

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64

# Every key in a document matches this; so may text inside strings. Equal numbers prove that no key was dropped.
_KEY = re.compile(rb'"[ \t\r\n]*:')
_NESTING = frozenset((dict, list))  # the fast parser makes exactly these


def loads(value: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """The document in these bytes. Raises InvalidEvent with the reason.

    The fast parser accepts duplicate keys, so the keys of its tree are counted against those in the text; only
    where the numbers differ (a colon after a quote inside a string does that too) is the slow parser asked.
    """
    if len(value) > max_bytes:
        raise InvalidEvent(DeadReason.too_large, f"{len(value)} bytes")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _why(value, error) from None
    if _measure(document) != len(_KEY.findall(value)):
        _refuse_duplicates(value)
    return document


def _measure(document: Any) -> int:
    """The number of keys in the tree; refuses one that is too deep."""
    keys, depth, level = 0, 0, [document]
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
            elif type(node) is not list:
                continue
            below += [child for child in children if type(child) in _NESTING]
        level = below
    return keys


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidEvent(DeadReason.duplicate_key, ascii(twice[:64]))
    return seen


def _no_constant(name: str) -> Any:
    raise InvalidEvent(DeadReason.not_a_number, name)


def _refuse_duplicates(value: bytes) -> None:
    json.loads(value, object_pairs_hook=_pairs)


def _why(value: bytes, error: orjson.JSONDecodeError) -> InvalidEvent:
    """Why the fast parser refused: the slow one tells the cases apart."""
    try:
        text = value.decode()
    except UnicodeDecodeError as undecodable:
        return InvalidEvent(DeadReason.invalid_utf8, f"at byte {undecodable.start}")
    try:
        document = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_constant)
        json.dumps(document, ensure_ascii=False).encode()
    except InvalidEvent as invalid:
        return invalid
    except RecursionError:
        return InvalidEvent(DeadReason.too_deep)
    except UnicodeEncodeError:
        return InvalidEvent(DeadReason.lone_surrogate)
    except ValueError:
        pass
    return InvalidEvent(DeadReason.invalid_json, str(error))
