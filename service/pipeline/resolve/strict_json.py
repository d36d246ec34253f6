"""JSON of events: RFC 8259 with one meaning only. What other parsers accept beyond that is refused with a reason."""

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
    """Return the document in these bytes. Raise InvalidEvent with the reason.

    The fast parser accepts duplicate keys, so the keys of its tree are counted against those in the text. The slow
    parser decides only where the numbers differ, which a colon after a quote inside a string causes too.
    """
    if len(value) > max_bytes:
        raise InvalidEvent(DeadReason.too_large, f"{len(value)} bytes")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _invalid(value, error) from None
    if _count_keys(document) != len(_KEY.findall(value)):
        _refuse_duplicates(value)
    return document


def _count_keys(document: Any) -> int:
    """Return the number of keys in the tree. Raise InvalidEvent for one that is too deep."""
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


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise InvalidEvent(DeadReason.duplicate_key, ascii(duplicate[:64]))
    return members


def _refuse_constant(name: str) -> Any:
    raise InvalidEvent(DeadReason.not_a_number, name)


def _refuse_duplicates(value: bytes) -> None:
    json.loads(value, object_pairs_hook=_unique_pairs)


def _invalid(value: bytes, error: orjson.JSONDecodeError) -> InvalidEvent:
    """Return why the fast parser failed: the slow one distinguishes the cases."""
    try:
        text = value.decode()
    except UnicodeDecodeError as undecodable:
        return InvalidEvent(DeadReason.invalid_utf8, f"at byte {undecodable.start}")
    try:
        document = json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
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
