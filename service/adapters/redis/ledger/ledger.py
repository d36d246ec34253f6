"""The ledger: one hash an event, one field a delivery; 256 hashes for an event with a large audience."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from service.adapters.redis.client import Plan, Script, Store, chunks
from service.adapters.redis.keys import LEDGER_SHARDS
from service.adapters.redis.ledger.rows import (
    ALLOWED,
    LONGEST_ROW,
    REPLAYABLE,
    STATES,
    entry_of,
    first_row,
    head_bytes,
    results,
    step_of,
)
from service.model.ledger import Entry, NewEntry, State, Transition, TransitionResult
from service.ports import EventHead

_OPEN, _TRANSITION = (
    Script("ledger_open", complete_only=True),
    Script("ledger_transition", complete_only=True),
)
_INDEX, _WITHDRAW = Script("ledger_index", complete_only=True), Script("ledger_withdraw", complete_only=True)
_NAME = Script("ledger_name", complete_only=True)
_WEEK_S = 7 * 86_400


class RedisLedger:
    """The Ledger and LedgerIndex ports.

    `index_size`: deliveries remembered a recipient. `index_s`: how long after the last one, in seconds, at most; a
    thirtieth less at least.
    """

    def __init__(self, store: Store, *, index_size: int = 2000, index_s: int = 30 * 86_400) -> None:
        self._store = store
        # a key's expiry is moved only when it has lost a thirtieth, because each write also goes to the server's log
        self._index_limits = (-index_size - 1, index_s, index_s - index_s // 30)

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that are not there yet; the state each has now, in order.

        The first head of an event says for ever whether it is sharded: spread over 256 hashes. Every key
        of the event is kept for the head's retention from now on, never shorter than before. A delivery of
        a withdrawn event enters as withdrawn, unless its first state is an end already.
        """
        entered, indexed = self._entering(heads, new_entries), self._indexing(new_entries)
        states = (await self._store.run(entered, indexed, self._naming(heads)))[0]
        return [STATES[state] for state in states[: len(new_entries)]]

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Make the moves that the ledger allows, in order.

        The very same move made again counts as made, because the client may send a batch twice; only a claim
        does not: who asks for `sending` and gets `applied=False` with their own owner has claimed it before.
        A claim on a withdrawn event moves the delivery to `withdrawn` instead, and says so.
        """
        plan = Plan(_TRANSITION, self._store.cluster, (LONGEST_ROW,))
        of_event: dict[str, list[int]] = {}
        for i, transition in enumerate(transitions):
            of_event.setdefault(transition.event, []).append(i)
        for event, items in of_event.items():
            key = self._store.keys.event(event)
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    transition = transitions[i]
                    allowed = REPLAYABLE[transition.replay] if transition.replay else ALLOWED[transition.to]
                    args += (transition.delivery, allowed, step_of(transition))
        answers = (await self._store.run(plan))[0]
        return [results(transition, answer) for transition, answer in zip(transitions, answers, strict=True)]

    async def entry(self, event: str, delivery: str) -> Entry | None:
        """One delivery with its history."""
        key = self._store.keys.event(event)
        shard = f"{key}:{delivery[:2]}"
        sharded, row, shard_row = await self._store.pipeline(
            [("HGET", key, "@w"), ("HGET", key, delivery), ("HGET", shard, delivery)]
        )
        found: bytes | None = shard_row if sharded == b"1" else row
        return None if found is None else entry_of(event, delivery, found)

    async def entries(self, event: str) -> AsyncIterator[Entry]:
        """All deliveries of an event, in no order."""
        key = self._store.keys.event(event)
        (sharded,) = await self._store.pipeline([("HGET", key, "@w")])
        hashes = [f"{key}:{shard}" for shard in LEDGER_SHARDS] if sharded == b"1" else [key]
        for hash_key in hashes:
            seen: set[bytes] = set()  # HSCAN may show a field twice
            cursor = 0
            while True:
                ((cursor, rows),) = await self._store.pipeline([("HSCAN", hash_key, cursor, "COUNT", 500)])
                for name, row in rows.items():
                    if name not in seen and not name.startswith(b"@"):
                        seen.add(name)
                        yield entry_of(event, name.decode(), row)
                if not cursor:
                    break

    async def head(self, event: str) -> Mapping[str, object] | None:
        """What is kept of the event: type, source, id, times, position; `withdrawn_ms` once taken back."""
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
        """Mark an event as taken back, seen or not; sending checks it. The first time stays."""
        await self._store.script(_WITHDRAW, self._store.keys.event(event), at_ms, keep_s)

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> list[tuple[str, str]]:
        """(event, delivery), newest first, of what a recipient was due; some may have left the ledger."""
        key = self._store.keys.deliveries(recipient)
        (members,) = await self._store.pipeline(
            [("ZREVRANGEBYSCORE", key, "+inf", since_ms, "LIMIT", 0, limit)]
        )
        pairs = (member.decode().rpartition(":") for member in members)
        return [(event, delivery) for event, _, delivery in pairs]

    async def named(self, event_id: str) -> Sequence[str]:
        """The keys of the events with this id, one a source; some may have left the ledger."""
        (found,), _ = await self._store.fetch([self._store.keys.named(event_id)])
        return sorted(found.decode().split()) if found else []

    def _naming(self, heads: Sequence[EventHead]) -> Plan:
        plan = Plan(_NAME, self._store.cluster)
        of_id: dict[str, list[int]] = {}
        for i, head in enumerate(heads):
            of_id.setdefault(head.event.id, []).append(i)
        for event_id, items in of_id.items():
            key = self._store.keys.named(event_id)
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    args += (heads[i].event.key, heads[i].retention_s)
        return plan

    def _entering(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Plan:
        plan = Plan(_OPEN, self._store.cluster, (ALLOWED[State.withdrawn], _WEEK_S))
        head_of = {head.event.key: head for head in heads}
        of_event: dict[str, list[int]] = {event: [] for event in head_of}
        for i, new_entry in enumerate(new_entries):
            of_event.setdefault(new_entry.event, []).append(i)
        for event, items in of_event.items():
            key, head = self._store.keys.event(event), head_of.get(event)
            about: tuple[Any, ...] = ("", "0", 0)
            if head is not None:
                about = (head_bytes(head), "1" if head.sharded else "0", head.retention_s)
            for part in chunks(items):
                args = plan.place(key, part).args
                args += (*about, len(part))
                for i in part:
                    args += (new_entries[i].delivery, first_row(new_entries[i]))
        return plan

    def _indexing(self, new_entries: Sequence[NewEntry]) -> Plan:
        plan = Plan(_INDEX, self._store.cluster, self._index_limits)
        of_recipient: dict[str, list[int]] = {}
        for i, new_entry in enumerate(new_entries):
            of_recipient.setdefault(new_entry.recipient, []).append(i)
        for recipient, items in of_recipient.items():
            key = self._store.keys.deliveries(recipient)
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    new_entry = new_entries[i]
                    args += (new_entry.at_ms, f"{new_entry.event}:{new_entry.delivery}")
        return plan
