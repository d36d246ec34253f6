"""Segments of the ledger: they grow with the volume, skew does not make them grow, and they expire whole (ADR 14)."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import cache
from itertools import count, islice
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.heads import hours_of
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.places import head_field
from service.adapters.redis.ledger.restore import RedisLedgerRestore
from service.adapters.redis.ledger.scan import scan_ledger
from service.dev.valkey import EmbeddedValkey
from service.model.event import Event
from service.model.ids import delivery_id, event_key, id_part
from service.model.ledger import HistoryStep, NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.restored_history import LoggedDelivery
from service.ports import MANY, EventHead, EventPosition
from service.settings import RedisSettings
from tests.support.ledger_rows import buckets, segments
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey

SHARD = 7
HOUR_S, DAY_S = 3600, 86_400
RETENTION_S = 30 * DAY_S
SPAN = 8
"""The exponent of the hours between the ends of segments for this retention: a quarter of 720 is at most 256."""


@pytest.fixture(params=["valkey", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    cluster = request.param == "cluster"
    url = shared_cluster() if cluster else shared_valkey().url
    opened = Store(RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:"))
    yield opened
    await opened.close()


@cache
def ids_in_shard(number: int) -> Sequence[str]:
    """Return event ids whose events are in one shard."""
    ids = (str(n) for n in count())
    return list(islice((one for one in ids if int(id_part(one)[:2], 16) == SHARD), number))


def head(source: str, event_id: str, *, retention_s: int = RETENTION_S, deliveries: int = 1) -> EventHead:
    event = Event(event_key(source, event_id), event_id, source, "t", 1, 2, {})
    return EventHead(event, retention_s, deliveries, EventPosition("events", 0, 7))


def new_entry(event: str, recipient: str = "r", state: State = State.queued) -> NewEntry:
    return NewEntry(event, delivery_id(event, recipient, "inbox"), recipient, "inbox", state, Reason.none, 5)


async def opened(ledger: RedisLedger, heads: Sequence[EventHead]) -> list[NewEntry]:
    """Open events with one delivery each, some hundred at a time."""
    new_entries = [new_entry(one.event.key, f"r{n % 50}") for n, one in enumerate(heads)]
    for start in range(0, len(heads), 250):
        part = slice(start, start + 250)
        assert set(await ledger.open(heads[part], new_entries[part])) == {State.queued}
    return new_entries


async def check_that_all_is_found(
    store: Store, heads: Sequence[EventHead], entered: Sequence[NewEntry]
) -> None:
    """By every way of reading, each event and each delivery once, whichever segment it is in."""
    ledger = RedisLedger(store)
    names = [(one.event, one.delivery) for one in entered]
    assert {result.state for result in await ledger.current(names)} == {State.queued}
    made = await ledger.transition(
        [Transition(event, delivery, State.delivered, Reason.none, 9) for event, delivery in names]
    )
    assert all(result.applied for result in made)
    assert set(await ledger.open(heads, entered)) == {State.delivered}

    scanned_heads, scanned_rows = Counter[str](), Counter[tuple[str, str]]()
    async for part in scan_ledger(store):
        scanned_heads.update(part.heads.keys())
        scanned_rows.update((row.event, row.delivery) for row in part.rows)
    assert scanned_heads == Counter(one.event.key for one in heads)
    assert scanned_rows == Counter(names)


async def check_single_events(
    ledger: RedisLedger, heads: Sequence[EventHead], entered: Sequence[NewEntry]
) -> None:
    """Each event's head and its own deliveries are read."""
    for one, delivery in zip(heads, entered, strict=True):
        listed = [entry async for entry in ledger.entries(one.event.key)]
        assert [(entry.delivery, entry.recipient) for entry in listed] == [
            (delivery.delivery, delivery.recipient)
        ]
        assert listed == [await ledger.entry(delivery.event, delivery.delivery)]
        kept = await ledger.head(one.event.key)
        assert kept is not None
        assert (kept["id"], kept["source"]) == (one.event.id, one.event.source)


async def test_segments_grow_with_their_events(store: Store) -> None:
    """A shard with thousands of events has segments of 1, 4, 16 … buckets, whose buckets stay small."""
    ledger = RedisLedger(store)
    heads = [head("/s", one) for one in ids_in_shard(5000)]
    entered = await opened(ledger, heads)

    periods = Counter(name.rpartition(".")[0] for name in await segments(store, SHARD))
    assert sum(periods.values()) >= 4
    depths = [int(name.rpartition(".")[2]) for name in await segments(store, SHARD)]
    assert depths == list(range(len(depths)))[::-1] or len(periods) > 1
    await check_that_all_is_found(store, heads, entered)
    sample = slice(None, None, 40)
    await check_single_events(ledger, heads[sample], entered[sample])
    for one in heads[sample]:
        assert list(await ledger.named(one.event.id)) == [one.event.key]

    filled = [bucket async for bucket in buckets(store, SHARD)]
    assert sum(len(bucket.fields) <= 200 for bucket in filled) >= 0.98 * len(filled)
    assert max(len(bucket.fields) for bucket in filled) < 200
    if not store.cluster:
        encodings = Counter(await store.pipeline([("OBJECT", "ENCODING", bucket.key) for bucket in filled]))
        assert encodings[b"listpack"] >= 0.98 * len(filled), encodings


async def test_one_id_from_many_sources_makes_few_segments(store: Store) -> None:
    """Their keys begin alike, so they share a bucket however many there are: no others are added in vain."""
    ledger = RedisLedger(store)
    (event_id,) = ids_in_shard(1)
    heads = [head(f"/s{n}", event_id) for n in range(2000)]
    entered = await opened(ledger, heads)

    assert len(await segments(store, SHARD)) <= 3
    await check_that_all_is_found(store, heads, entered)
    named = await ledger.named(event_id)
    assert len(set(named)) == len(named) == 100
    assert set(named) <= {one.event.key for one in heads}
    shared = Counter(one.event.key[:4] + one.event.key[12:16] for one in heads)
    alike = [n for n, one in enumerate(heads) if shared[one.event.key[:4] + one.event.key[12:16]] > 1]
    assert alike  # the fields of their rows begin alike
    sample = [*alike, *range(0, 2000, 100)]
    await check_single_events(ledger, [heads[n] for n in sample], [entered[n] for n in sample])


async def hour_of(store: Store) -> int:
    (now,) = await store.pipeline(
        [("EVAL", "return redis.call('TIME')[1]", 1, store.keys.ledger_shard(SHARD))]
    )
    return int(now) // HOUR_S


@pytest.mark.parametrize(("depth", "fields", "expected"), [(3, 36, 3), (3, 0, 2), (0, 0, 0)])
async def test_the_next_period_begins_as_the_last_one_ended(
    store: Store, depth: int, fields: int, expected: int
) -> None:
    """With as many buckets as the last period of the same span needed, or fewer where it did not use them."""
    shard, hours = store.keys.ledger_shard(SHARD), hours_of(RETENTION_S)
    ends = ((await hour_of(store) + hours) // 2**SPAN + 1) * 2**SPAN
    last, other = f"{ends - 2**SPAN}.{SPAN}.{depth}", f"{ends}.{SPAN + 1}.5"
    await store.pipeline([("SET", shard, f"{other} {last} {ends - 2**SPAN}.{SPAN}.0 ")])
    await store.pipeline(
        [("HSET", f"{shard}:{last}:{n}", f"{i}", "") for n in (1, 2, 3) for i in range(fields // 3 + 1)][
            : 3 * fields
        ]
    )
    one = head("/s", ids_in_shard(1)[0])
    await RedisLedger(store).open([one], [new_entry(one.event.key)])

    first, *rest = await segments(store, SHARD)
    assert first == f"{ends}.{SPAN}.{expected}"
    assert rest == [other, last, f"{ends - 2**SPAN}.{SPAN}.0"]


async def test_a_segment_that_has_ended_is_forgotten(store: Store) -> None:
    """It leaves the shard's list when the next one is added, and is not read any more."""
    shard = store.keys.ledger_shard(SHARD)
    hour = await hour_of(store)
    await store.pipeline([("SET", shard, f"{hour}.0.2 {hour + 500}.3.1 ")])
    one = head("/s", ids_in_shard(1)[0])
    await RedisLedger(store).open([one], [new_entry(one.event.key)])

    assert f"{hour}.0.2" not in await segments(store, SHARD)
    assert f"{hour + 500}.3.1" in await segments(store, SHARD)


@pytest.mark.parametrize("retention_s", [60, 5 * HOUR_S, 45 * DAY_S])
async def test_every_key_expires(store: Store, retention_s: int) -> None:
    """All that the ledger writes, for narrow and wide events, withdrawals and rebuilds; only the names stay."""
    ledger = RedisLedger(store, index_s=retention_s)
    ids = ids_in_shard(300)
    heads = [head("/s", one, retention_s=retention_s) for one in ids]
    entered = await opened(ledger, heads)
    await ledger.transition(
        [Transition(one.event, one.delivery, State.sending, Reason.none, 6, 1, "x" * 300) for one in entered]
    )
    wide = [head("/w", one, retention_s=retention_s, deliveries=MANY) for one in ids[:2]]
    for one in wide:
        await ledger.open([one], [new_entry(one.event.key, f"r{n}") for n in range(300)])
    await ledger.withdraw(heads[0].event.key, 9, retention_s)
    await ledger.withdraw(event_key("/s", "unseen"), 9, retention_s)
    restored = head("/r", ids[0], retention_s=retention_s)
    steps = [
        HistoryStep(state, Reason.none, 7, 1, "d" * 100) for state in (State.queued, State.sent, State.sent)
    ]
    logged = LoggedDelivery(
        restored.event.key, new_entry(restored.event.key).delivery, "r", "inbox", "", "", 5, steps
    )
    await RedisLedgerRestore(store, ledger).restore([restored], [logged])

    keys = [key.decode() async for names in store.scan_keys("*") for key in names]
    ttls = dict(zip(keys, await store.pipeline([("TTL", key) for key in keys]), strict=True))
    ttls.pop(store.keys.names)
    assert len(ttls) > 100
    indexes = {key: ttl for key, ttl in ttls.items() if ":deliveries" in key}
    assert all(retention_s * 0.96 - 5 <= ttl <= retention_s for ttl in indexes.values())
    for key, ttl in ttls.items() - indexes.items():
        assert retention_s - 30 <= ttl <= 1.5 * retention_s + 2 * HOUR_S, key


async def test_a_head_lies_beside_its_rows(store: Store) -> None:
    """A narrow event is read in one access: its head and its rows are in one bucket."""
    ledger, one = RedisLedger(store), head("/s", ids_in_shard(1)[0], deliveries=63)
    rows = [new_entry(one.event.key, f"r{n}") for n in range(20)]
    await ledger.open([one], rows)
    await ledger.open([one], [new_entry(one.event.key, f"later{n}") for n in range(20)])

    (bucket,) = [bucket async for bucket in buckets(store, SHARD)]
    assert head_field(bytes.fromhex(one.event.key)) in bucket.fields
    assert len(bucket.fields) == 41


@pytest.mark.parametrize("deliveries", [3000, 1], ids=["wide", "narrow"])
async def test_an_event_is_listed_while_the_ledger_grows(store: Store, deliveries: int) -> None:
    """What was there when the listing began is listed once, in whichever segments it is by then."""
    ledger, ids = RedisLedger(store), ids_in_shard(2000)
    one, others = head("/w", ids[0], deliveries=deliveries), [head("/other", other) for other in ids]
    entered = [new_entry(one.event.key, f"r{n}") for n in range(1500)]
    for start in range(0, len(entered), 500):
        await ledger.open([one], entered[start : start + 500])
    before, listed = len(await segments(store, SHARD)), Counter[str]()
    async for entry in ledger.entries(one.event.key):
        listed[entry.delivery] += 1
        if len(listed) % 150 == 0:
            part, others = others[:250], others[250:]
            await opened(ledger, part)
            await ledger.open([one], [new_entry(one.event.key, f"late{len(listed)}")])

    assert len(await segments(store, SHARD)) > before
    assert set(listed) >= {delivery.delivery for delivery in entered}
    assert set(listed.values()) == {1}


async def test_rows_of_a_wide_event_are_found_in_few_steps(tmp_path: Path) -> None:
    """Its head is read once a call, and few segments are looked into: the reads a delivery do not grow with it.

    It has a server of its own, whose commands are counted.
    """
    server = EmbeddedValkey(tmp_path)
    server.start()
    store = Store(RedisSettings(url=SecretStr(server.url)), guarded=False)
    try:
        ledger, reads = RedisLedger(store), list[float]()
        one = head("/w", ids_in_shard(1)[0], deliveries=MANY)
        for first in range(0, 40_000, 10_000):
            entered = [new_entry(one.event.key, f"r{n}") for n in range(first, first + 10_000)]
            before = await _hget_calls(store)
            for start in range(0, len(entered), 500):
                part = entered[start : start + 500]
                await ledger.open([one], part)
                made = [Transition(d.event, d.delivery, State.delivered, Reason.none, 9) for d in part]
                assert all(result.applied for result in await ledger.transition(made))
            reads.append((await _hget_calls(store) - before) / len(entered))
        depths = [int(name.rpartition(".")[2]) for name in await segments(store, SHARD)]
        assert depths == [6, 4, 2, 0]
        assert max(reads) < 2 * len(depths), reads
        states = [(entered[n].event, entered[n].delivery) for n in range(0, 10_000, 1000)]
        assert {result.state for result in await ledger.current(states)} == {State.delivered}
    finally:
        await store.close()
        server.stop()


async def _hget_calls(store: Store) -> int:
    (stats,) = await store.pipeline([("INFO", "commandstats")])
    return int(stats.get("cmdstat_hget", {}).get("calls", 0))


async def test_a_scan_finds_what_was_there_while_the_ledger_grows(store: Store) -> None:
    """Segments that are added meanwhile are read too, and none twice."""
    ledger, ids = RedisLedger(store), ids_in_shard(3000)
    entered = await opened(ledger, [head("/s", one) for one in ids[:600]])
    before, heads, rows = len(await segments(store, SHARD)), Counter[str](), Counter[str]()
    later = [head("/later", one) for one in ids]
    async for part in scan_ledger(store):
        heads.update(part.heads.keys())
        rows.update(row.delivery for row in part.rows)
        some, later = later[:250], later[250:]
        await opened(ledger, some)

    assert len(await segments(store, SHARD)) > before
    assert set(heads) >= {one.event for one in entered}
    assert set(rows) >= {one.delivery for one in entered}
    assert set(heads.values()) == set(rows.values()) == {1}
