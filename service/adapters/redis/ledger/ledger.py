"""The ledger: one hash an event, one field a delivery; 256 hashes for a sharded event."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from service.adapters.redis.client import Store
from service.adapters.redis.keys import LEDGER_SHARDS
from service.adapters.redis.ledger.rows import (
    ALLOWED,
    LONGEST_ROW,
    REPLAYABLE,
    STATES,
    current_of,
    entry_of,
    first_row,
    head_bytes,
    result_of,
    step_of,
)
from service.adapters.redis.script_batch import Script, ScriptBatch, chunks
from service.adapters.redis.unreadable_rows import readable
from service.model.ledger import Entry, NewEntry, State, Transition, TransitionResult
from service.ports import EventHead

_OPEN = Script("ledger_open", complete_only=True)
_CURRENT = Script("ledger_current", complete_only=True)
_TRANSITION = Script("ledger_transition", complete_only=True)
_WITHDRAW = Script("ledger_withdraw", complete_only=True)
_INDEX_BY_RECIPIENT = Script("ledger_index_by_recipient", complete_only=True)
_INDEX_BY_EVENT_ID = Script("ledger_index_by_event_id", complete_only=True)
_WEEK_S = 7 * 86_400
_SAME_ID = 100
"""Events with the same id, of different sources, that the index by event id keeps."""


class RedisLedger:
    """Implements the Ledger and LedgerIndex ports.

    `index_size`: deliveries that the index keeps per recipient. `index_s`: how long they are kept after the last one,
    in seconds, at most; a thirtieth less at least.
    """

    def __init__(self, store: Store, *, index_size: int = 2000, index_s: int = 30 * 86_400) -> None:
        self._store = store
        # an expiry is extended only when it has lost a thirtieth, because the server also logs each write
        self._index_limits = (-index_size - 1, index_s, index_s - index_s // 30)

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that do not exist yet. Return the state each one has now, in order.

        The first head of an event decides for good whether the event is sharded: spread over 256 hashes. Every key of
        the event is kept for the head's retention from now on, never shorter than before. A delivery of a withdrawn
        event enters as `withdrawn`, unless its first state is final already.
        """
        batches = (
            self._entries(heads, new_entries),
            self._by_recipient(new_entries),
            self._by_event_id(heads),
        )
        states = (await self._store.run(*batches))[0]
        return [STATES[state] for state in states[: len(new_entries)]]

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Write the transitions that the ledger allows, in order.

        The same transition again counts as made, because the client may send a batch twice. Only a claim does not: the
        worker that claimed the delivery before gets `applied=False` with its own owner epoch. A claim on a withdrawn
        event makes the delivery `withdrawn` instead, and returns that state.
        """
        batch = ScriptBatch(_TRANSITION, self._store.cluster, (LONGEST_ROW,))
        for i, args in batch.grouped((one.event for one in transitions), self._store.keys.event):
            transition = transitions[i]
            allowed = REPLAYABLE[transition.replay] if transition.replay else ALLOWED[transition.to]
            args.extend((transition.delivery, allowed + transition.held_by, step_of(transition)))
        answers = (await self._store.run(batch))[0]
        return [
            result_of(transition, answer) for transition, answer in zip(transitions, answers, strict=True)
        ]

    async def current(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[TransitionResult]:
        """Return the current state, owner and attempt of each (event, delivery id), in order; nothing is written."""
        batch = ScriptBatch(_CURRENT, self._store.cluster)
        for i, args in batch.grouped((event for event, _ in deliveries), self._store.keys.event):
            args.append(deliveries[i][1])
        return [current_of(answer) for answer in (await self._store.run(batch))[0]]

    async def entry(self, event: str, delivery: str) -> Entry | None:
        """Return a delivery with its history; None where there is none."""
        key = self._store.keys.event(event)
        shard = f"{key}:{delivery[:2]}"
        sharded, row, shard_row = await self._store.pipeline(
            [("HGET", key, "@w"), ("HGET", key, delivery), ("HGET", shard, delivery)]
        )
        # all three at once: one round trip, whether or not the event is sharded
        stored: bytes | None = shard_row if sharded == b"1" else row
        return None if stored is None else _readable_entry(event, delivery, stored)

    async def entries(self, event: str) -> AsyncIterator[Entry]:
        """Yield all deliveries of an event, in no order."""
        key = self._store.keys.event(event)
        (sharded,) = await self._store.pipeline([("HGET", key, "@w")])
        hashes = [f"{key}:{shard}" for shard in LEDGER_SHARDS] if sharded == b"1" else [key]
        for hash_key in hashes:
            seen: set[bytes] = set()  # HSCAN may return a field twice
            cursor = 0
            while True:
                ((cursor, rows),) = await self._store.pipeline([("HSCAN", hash_key, cursor, "COUNT", 500)])
                for name, row in rows.items():
                    if name not in seen and not name.startswith(b"@"):
                        seen.add(name)
                        if (entry := _readable_entry(event, name.decode(), row)) is not None:
                            yield entry
                if not cursor:
                    break

    async def head(self, event: str) -> Mapping[str, object] | None:
        """Return what is kept of an event: type, source, id, times, position, `withdrawn_ms` if it is withdrawn.

        None where nothing is kept.
        """
        ((head, withdrawn),) = await self._store.pipeline(
            [("HMGET", self._store.keys.event(event), "@", "@x")]
        )
        if not head and not withdrawn:
            return None
        kept: dict[str, object] = {"key": event, **(orjson.loads(head) if head else {})}
        if withdrawn:
            kept["withdrawn_ms"] = int(withdrawn)
        return kept

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        """Mark an event as withdrawn, whether or not it has come yet; claims check the mark. The first time is kept.

        The mark is kept as long as the event; for an event that has not come at least `keep_s` seconds.
        """
        await self._store.run_script(_WITHDRAW, self._store.keys.event(event), at_ms, keep_s)

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> list[tuple[str, str]]:
        """Return (event, delivery) of a recipient's deliveries, newest first; some may have left the ledger."""
        key = self._store.keys.deliveries(recipient)
        (members,) = await self._store.pipeline(
            [("ZREVRANGEBYSCORE", key, "+inf", since_ms, "LIMIT", 0, limit)]
        )
        pairs = (member.decode().rpartition(":") for member in members)
        return [(event, delivery) for event, _, delivery in pairs]

    async def named(self, event_id: str) -> Sequence[str]:
        """Return the keys of the newest events with this id, one a source; some may have left the ledger."""
        (events,), _ = await self._store.fetch([self._store.keys.events_with_id(event_id)])
        return sorted(word for word in events.decode().split() if word[0] != "+") if events else []

    async def index_by_recipient(self, new_entries: Sequence[NewEntry]) -> None:
        """Add deliveries to the index by recipient; `open` does it itself."""
        await self._store.run(self._by_recipient(new_entries))

    def _entries(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> ScriptBatch:
        batch = ScriptBatch(_OPEN, self._store.cluster, (ALLOWED[State.withdrawn], _WEEK_S))
        head_of = {head.event.key: head for head in heads}
        by_event: dict[str, list[int]] = {event: [] for event in head_of}
        for i, new_entry in enumerate(new_entries):
            by_event.setdefault(new_entry.event, []).append(i)
        for event, items in by_event.items():
            key, head = self._store.keys.event(event), head_of.get(event)
            head_args: tuple[Any, ...] = ("", "0", 0)
            if head is not None:
                head_args = (head_bytes(head), "1" if head.sharded else "0", head.retention_s)
            for part in chunks(items):
                args = batch.add_key(key, part).args
                args += (*head_args, len(part))
                for i in part:
                    args += (new_entries[i].delivery, first_row(new_entries[i]))
        return batch

    def _by_recipient(self, new_entries: Sequence[NewEntry]) -> ScriptBatch:
        batch = ScriptBatch(_INDEX_BY_RECIPIENT, self._store.cluster, self._index_limits)
        for i, args in batch.grouped((one.recipient for one in new_entries), self._store.keys.deliveries):
            new_entry = new_entries[i]
            args.extend((new_entry.at_ms, f"{new_entry.event}:{new_entry.delivery}"))
        return batch

    def _by_event_id(self, heads: Sequence[EventHead]) -> ScriptBatch:
        batch = ScriptBatch(_INDEX_BY_EVENT_ID, self._store.cluster, (_SAME_ID,))
        for i, args in batch.grouped((head.event.id for head in heads), self._store.keys.events_with_id):
            args.extend((heads[i].event.key, heads[i].retention_s))
        return batch


def _readable_entry(event: str, delivery: str, row: bytes) -> Entry | None:
    return readable("ledger", lambda stored: entry_of(event, delivery, stored), row)
