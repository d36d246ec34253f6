"""All of the ledger, one shard after the other: for audits and checksums."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.places import (
    HEAD_BYTES,
    OWN_BYTES,
    ROW_BYTES,
    SHARED_BYTES,
    WIDE_ROW_BYTES,
    is_of,
    key_of_field,
)
from service.adapters.redis.ledger.rows import entry_of
from service.model.ids import LEDGER_SHARDS

_BUCKETS_A_CALL = 50
_MORE = 128


class ScannedRow(NamedTuple):
    """A delivery as it is stored. `event` is empty where the row has lost its event's head."""

    event: str
    delivery: str
    row: bytes


class ScannedPart(NamedTuple):
    """A part of the ledger: heads by the keys of their events, and deliveries."""

    heads: Mapping[str, bytes]
    rows: Sequence[ScannedRow]


async def scan_ledger(store: Store) -> AsyncIterator[ScannedPart]:
    """Yield everything that is there during the whole scan; some of what is written meanwhile. Raise Unavailable.

    The rows of a wide event come in several parts, mostly without its head.
    """
    for first in range(LEDGER_SHARDS):
        shard, done = store.keys.ledger_shard(first), set[str]()
        while segments := [name for name in await _segments(store, shard) if name not in done]:
            for segment in segments:
                done.add(segment)
                buckets = 4 ** int(segment.rpartition(".")[2])
                for start in range(0, buckets, _BUCKETS_A_CALL):
                    numbers = range(start, min(buckets, start + _BUCKETS_A_CALL))
                    found = await store.pipeline([("HGETALL", f"{shard}:{segment}:{n}") for n in numbers])
                    for fields in found:
                        if fields:
                            yield _part(first, fields)


async def _segments(store: Store, shard: str) -> Sequence[str]:
    (names,) = await store.pipeline([("GET", shard)])
    return (names or b"").decode().split()


def _part(first: int, fields: Mapping[bytes, bytes]) -> ScannedPart:
    heads, keys, rows = dict[str, bytes](), dict[bytes, list[str]](), list[ScannedRow]()
    for field in fields:
        if len(field) == HEAD_BYTES:
            event = key_of_field(first, field)
            heads[event] = _whole(fields, field)
            keys.setdefault(field[:SHARED_BYTES], []).append(event)
    for field in fields:
        if len(field) in (ROW_BYTES, WIDE_ROW_BYTES):
            rows.append(_row(first, field, _whole(fields, field), keys))
    return ScannedPart(heads, rows)


def _row(first: int, field: bytes, row: bytes, keys: Mapping[bytes, Sequence[str]]) -> ScannedRow:
    own = field[-OWN_BYTES:].hex()
    if len(field) == WIDE_ROW_BYTES:
        event = key_of_field(first, field[:HEAD_BYTES])
        return ScannedRow(event, event + own, row)
    candidates = keys.get(field[:SHARED_BYTES], ())
    if len(candidates) > 1:  # keys that begin alike: the row's own id tells
        candidates = [event for event in candidates if _is_of(event, own, row)] or candidates
    event = candidates[0] if candidates else ""
    return ScannedRow(event, event + own, row)


def _is_of(event: str, own: str, row: bytes) -> bool:
    try:
        return is_of(event, entry_of(event, event + own, row))
    except ValueError:
        return False


def _whole(fields: Mapping[bytes, bytes], field: bytes) -> bytes:
    """Return the whole value of a field, which may be in several."""
    value = fields[field]
    if not value or value[0] < _MORE:
        return value
    rest = (fields.get(field + bytes((n,)), b"") for n in range(1, value[-1] + 1))
    return bytes((value[0] - _MORE,)) + value[1:-1] + b"".join(rest)
