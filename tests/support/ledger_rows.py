"""Rows of the ledger as Redis has them, for tests that look at a row's bytes or break it."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.places import head_field
from service.adapters.redis.ledger.rows import entry_of
from service.adapters.redis.script_batch import Script
from service.model.ids import EVENT_BYTES, LEDGER_SHARDS
from service.model.ledger import Entry

_SHARED_BYTES = 6
_READ_EVENT = Script("ledger_functions", "ledger_read_event")


class Bucket(NamedTuple):
    """A bucket that there is, with its fields."""

    key: str
    segment: str
    fields: dict[bytes, bytes]


async def segments(store: Store, shard: int) -> list[str]:
    """Return the names of a shard's segments, the newest first."""
    (names,) = await store.pipeline([("GET", store.keys.ledger_shard(shard))])
    return (names or b"").decode().split()


async def buckets(store: Store, *shards: int) -> AsyncIterator[Bucket]:
    """Yield the buckets of these shards, or of all."""
    for shard in shards or range(LEDGER_SHARDS):
        for segment in await segments(store, shard):
            numbers = range(4 ** int(segment.rpartition(".")[2]))
            keys = [f"{store.keys.ledger_shard(shard)}:{segment}:{n}" for n in numbers]
            for key, fields in zip(keys, await store.pipeline([("HGETALL", k) for k in keys]), strict=True):
                if fields:
                    yield Bucket(key, segment, fields)


async def place_of_row(store: Store, delivery: str) -> tuple[str, bytes]:
    """Return the bucket and the field of a delivery's row."""
    octets = bytes.fromhex(delivery)
    head, own = head_field(octets[:EVENT_BYTES]), octets[EVENT_BYTES:]
    async for bucket in buckets(store, octets[0]):
        for field in (head[:_SHARED_BYTES] + own, head + own):
            if field in bucket.fields:
                return bucket.key, field
    raise LookupError(f"{delivery} is not in the ledger")


async def row_of(store: Store, delivery: str) -> bytes:
    """Return a delivery's row, whole."""
    key, field = await place_of_row(store, delivery)
    (fields,) = await store.pipeline([("HGETALL", key)])
    value: bytes = fields[field]
    if value[0] < 128:
        return value
    more = b"".join(fields[field + bytes((n,))] for n in range(1, value[-1] + 1))
    return bytes((value[0] - 128,)) + value[1:-1] + more


async def entries_of(store: Store, event: str) -> list[Entry]:
    """Return the deliveries of an event, also from a Redis that is not marked complete."""
    key, entries, segment, bucket = bytes.fromhex(event), dict[bytes, Entry](), b"", 0
    while segment != b"-":
        _, segment, bucket, _, *rows = await store.run_script(
            _READ_EVENT, store.keys.ledger_shard(key[0]), head_field(key), segment, bucket
        )
        for own, row in zip(rows[::2], rows[1::2], strict=True):
            entries[own] = entry_of(event, event + own.hex(), row)
    return list(entries.values())


async def put_row(store: Store, delivery: str, row: bytes) -> None:
    """Put bytes in the place of a delivery's row; up to 64 are read as they are."""
    key, field = await place_of_row(store, delivery)
    await store.pipeline([("HSET", key, field, row)])
