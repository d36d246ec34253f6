"""The format of an event's head in the ledger: what explains its deliveries, without its data. Numbers are big-endian.

| part | bytes |
|---|---|
| flags | 1: spread of a wide event, + 16: it has come, + 32: it is withdrawn, + 64: the spread is decided |
| withdrawn | 6: when it was withdrawn (ms), where it is |
| received | 6: ms |
| fields | 1: which of the optional fields there are, by bit |
| names | 5: 252 and the code of type, topic, source; or 251, the code of type, topic, and the source; or all three |
| id | a text |
| time | the event's own time, in ms before it was received |
| optional | partition and offset, external id, project id, account, actor, expiry, stated time, number of recipients |

Texts are in the format of `texts`; `names` has what codes stand for. Numbers without a size have 7 bits a byte, the
lowest first, and 128 in all but the last. Most heads have 35 to 50 bytes.
"""

from collections.abc import Collection, Iterable, Mapping
from struct import Struct
from typing import Any

from service.adapters.redis.ledger.names import CODE_BYTES, Names
from service.adapters.redis.ledger.texts import read_text, repeated_text_bytes, text_bytes
from service.ports import EventHead

_KNOWN, _WITHDRAWN, _DECIDED = 16, 32, 64
_HOUR_S = 3600
_ALL_NAMES, _TWO_NAMES = b"\xfc", b"\xfb"
_FIXED = Struct(">BHIB")
_SEPARATOR = "\x1f"
_MOST_SPREAD, _MANY_SPREAD = 15, 14
_DELIVERIES_A_BUCKET = 64
_POSITION, _RECIPIENTS = 1, 128
_SMALL = tuple(bytes((n,)) for n in range(128))
_TEXTS = ((2, "external_id"), (4, "project_id"), (8, "account"), (16, "actor"))
_TIMES = ((32, "expires_ms"), (64, "stated_ms"))


def hours_of(keep_s: int) -> int:
    """Return for how many hours an event is kept."""
    return max(0, -(-keep_s // _HOUR_S))


def spread_of(deliveries: int) -> int:
    """Return the exponent of the number of buckets for an event of so many deliveries; -1: not known, but many."""
    if deliveries < 0:
        return _MANY_SPREAD
    return min(_MOST_SPREAD, (deliveries // _DELIVERIES_A_BUCKET).bit_length())


def withdrawn_bytes(at_ms: int) -> bytes:
    """Return the head of an event that was withdrawn and has not come."""
    return bytes((_WITHDRAWN,)) + at_ms.to_bytes(6, "big")


async def register_names(names: Names, heads: Iterable[EventHead]) -> Collection[str]:
    """Register the names that the heads share, and return them. Raise Unavailable."""
    kinds = {
        (head.event.type, head.position.topic if head.position else "", head.event.source) for head in heads
    }
    shared = {_SEPARATOR.join(kind) for kind in kinds}
    await names.register(shared)
    if without := {_SEPARATOR.join(kind[:2]) for kind in kinds if names.code(_SEPARATOR.join(kind)) is None}:
        await names.register(without, reserve=True)
    return shared | without


def head_bytes(head: EventHead, names: Names) -> bytes:
    """Return the head of an event; its names must be registered."""
    event, position, fields, optional = head.event, head.position, 0, b""
    topic = ""
    if position is not None:
        fields, topic = _POSITION, position.topic
        optional = _number(position.partition) + _number(position.offset)
    if event.external_id or event.project_id or event.account or event.actor:
        for bit, name in _TEXTS:
            if value := getattr(event, name):
                fields |= bit
                optional += repeated_text_bytes(value)
    if event.expires_ms is not None or event.stated_ms is not None:
        for bit, name in _TIMES:
            if (value := getattr(event, name)) is not None:
                fields |= bit
                optional += _signed(value - event.received_ms)
    if event.recipients is not None:
        fields |= _RECIPIENTS
        optional += _number(len(event.recipients))
    received_ms = max(0, event.received_ms)
    return (
        _FIXED.pack(
            _KNOWN | _DECIDED | spread_of(head.deliveries),
            received_ms >> 32,
            received_ms & 0xFFFFFFFF,
            fields,
        )
        + _names(event.type, topic, event.source, names)
        + text_bytes(event.id)
        + _signed(event.received_ms - event.time_ms)
        + optional
    )


def withdrawn_at(head: bytes) -> int | None:
    """Return when an event was withdrawn (ms); None if it was not."""
    return int.from_bytes(head[1:7], "big") if head[0] & _WITHDRAWN else None


def code_in(head: bytes) -> bytes:
    """Return the code of names in a head; empty where there is none. Raise ValueError."""
    code: bytes = _fields(head).get("code", b"")
    return code


def head_of(key: str, head: bytes, names: Names) -> Mapping[str, object]:
    """Return what a head says; the code in it must be loaded. Raise ValueError."""
    kept = {"key": key, **_fields(head)}
    if code := kept.pop("code", b""):
        shared = [*names.name(code).split(_SEPARATOR, 2), "", ""]
        kept |= {"type": shared[0], "topic": shared[1], "source": kept.get("source", shared[2])}
    topic = kept.pop("topic", "")
    if "partition" in kept:
        kept["position"] = f"{topic}:{kept.pop('partition')}:{kept.pop('offset')}"
    return kept


def _fields(head: bytes) -> dict[str, Any]:
    """Return the fields of a head, and the code of its names. Raise ValueError."""
    try:
        place, fields = 1, dict[str, Any]()
        if head[0] & _WITHDRAWN:
            fields["withdrawn_ms"] = int.from_bytes(head[place : place + 6], "big")
            place += 6
        if len(head) < place:
            raise ValueError("not a head of the ledger")
        if not head[0] & _KNOWN:
            return fields
        received_ms = fields["received_ms"] = int.from_bytes(head[place : place + 6], "big")
        present, place = head[place + 6], place + 7
        place = _read_names(head, place, fields)
        fields["id"], place = read_text(head, place)
        before_ms, place = _read_signed(head, place)
        fields["time_ms"] = received_ms - before_ms
        if present & _POSITION:
            fields["partition"], place = _read_number(head, place)
            fields["offset"], place = _read_number(head, place)
        for bit, name in _TEXTS:
            if present & bit:
                fields[name], place = read_text(head, place)
        for bit, name in _TIMES:
            if present & bit:
                after_ms, place = _read_signed(head, place)
                fields[name] = received_ms + after_ms
        if present & _RECIPIENTS:
            fields["recipients"], place = _read_number(head, place)
    except IndexError:
        raise ValueError("not a head of the ledger") from None
    return fields


def _names(type_: str, topic: str, source: str, names: Names) -> bytes:
    """Return type, topic and source, as a code where they have one."""
    if (code := names.code(f"{type_}{_SEPARATOR}{topic}{_SEPARATOR}{source}")) is not None:
        return _ALL_NAMES + code
    if (code := names.code(f"{type_}{_SEPARATOR}{topic}")) is not None:
        return _TWO_NAMES + code + text_bytes(source)
    return text_bytes(type_) + text_bytes(topic) + text_bytes(source)


def _read_names(head: bytes, place: int, fields: dict[str, Any]) -> int:
    """Read names, or the code of names. Return the place after them."""
    mark = head[place : place + 1]
    if mark in (_ALL_NAMES, _TWO_NAMES):
        fields["code"], place = head[place + 1 : place + 1 + CODE_BYTES], place + 1 + CODE_BYTES
        if len(head) < place:
            raise ValueError("not names of the ledger")
        if mark == _TWO_NAMES:
            fields["source"], place = read_text(head, place)
        return place
    for name in ("type", "topic", "source"):
        fields[name], place = read_text(head, place)
    return place


def _number(value: int) -> bytes:
    if value < 128:
        return _SMALL[value]
    octets = bytearray()
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _read_number(octets: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while octets[place] > 127:
        value |= (octets[place] & 127) << shift
        shift += 7
        place += 1
    return value | octets[place] << shift, place + 1


def _signed(value: int) -> bytes:
    return _number(value << 1 if value >= 0 else -value << 1 | 1)


def _read_signed(octets: bytes, place: int) -> tuple[int, int]:
    value, place = _read_number(octets, place)
    return (-(value >> 1) if value & 1 else value >> 1), place
