"""The ledger: an event's head and its deliveries are fields of a bucket, a small hash that many events share.

`ledger_functions.lua` says how buckets are found and kept small.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, ClassVar

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.codes import STATES
from service.adapters.redis.ledger.heads import (
    code_in,
    head_bytes,
    head_of,
    hours_of,
    register_names,
    withdrawn_bytes,
)
from service.adapters.redis.ledger.names import Names
from service.adapters.redis.ledger.places import (
    Place,
    by_event,
    is_of,
    key_of_field,
    keys_of_fields,
    place_of,
)
from service.adapters.redis.ledger.rows import (
    ALLOWED,
    REPLAYABLE,
    current_of_row,
    entry_of,
    first_row,
    newest_step_of,
    result_of,
    step_bytes,
    transition_step,
)
from service.adapters.redis.script_batch import Arg, Piece, Script, ScriptBatch, chunks
from service.adapters.redis.unreadable_rows import readable
from service.model.ids import DELIVERY_BYTES, EVENT_BYTES, id_part, is_delivery_id, is_event_key
from service.model.ledger import Entry, HistoryStep, NewEntry, State, Transition, TransitionResult
from service.model.reasons import Reason
from service.ports import EventHead

_OPEN = Script("ledger_functions", "ledger_open", complete_only=True)
_READ = Script("ledger_functions", "ledger_read", complete_only=True)
_READ_EVENT = Script("ledger_functions", "ledger_read_event", complete_only=True)
_TRANSITION = Script("ledger_functions", "ledger_transition", complete_only=True)
_WITHDRAW = Script("ledger_functions", "ledger_withdraw", complete_only=True)
_NAMED = Script("ledger_functions", "ledger_named", complete_only=True)
_INDEX_BY_RECIPIENT = Script("ledger_index_by_recipient", complete_only=True)
_HOURS_WITHOUT_HEAD = 7 * 24
_WITHDRAWN_STEP = step_bytes(State.withdrawn, Reason.withdrawn_by_source, 0)
_SAME_ID = 100
"""Events with the same id, of different sources, that are listed."""
_PAGE_DELIVERIES = 64
_TIME_BYTES = 6
_SIZE = Struct(">BI")
_NOWHERE = "-"


class RedisLedger:
    """Implements the Ledger and LedgerIndex ports.

    `index_size`: deliveries that the index keeps per recipient. `index_s`: how long they are kept, in seconds: the
    older ones until a delivery comes that is so much newer, the last ones so long at most, a thirtieth less at least.
    """

    INDEX_S: ClassVar[int] = 30 * 86_400

    def __init__(self, store: Store, *, index_size: int = 2000, index_s: int = INDEX_S) -> None:
        self._store = store
        self._names = Names(store)
        self._index_pages = -(-index_size // _PAGE_DELIVERIES)
        self.keep_index(index_s)

    def keep_index(self, index_s: int) -> None:
        """Keep what is added to the index from now on for so long, in seconds."""
        # an expiry is extended only when it has lost a thirtieth, because the server also logs each write
        self._index_limits = (self._index_pages, index_s, index_s - index_s // 30)

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        """Enter deliveries that do not exist yet. Return the state each one has now, in order.

        The first head of an event decides for good over how many buckets it is spread, and how long it is kept: for its
        retention, and up to half as long again. A delivery of a withdrawn event enters as `withdrawn`, unless its first
        state is final already.
        """
        names = await register_names(self._names, heads)
        batches = (
            self._entries(heads, new_entries),
            self._by_recipient(new_entries),
            self._names.store_again(names),
        )
        states = (await self._store.run(*batches))[0]
        return [STATES[code - 1] for code in states[: len(new_entries)]]

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Write the transitions that the ledger allows, in order.

        The same transition again counts as made, because the client may send a batch twice. Only a claim does not: the
        worker that claimed the delivery before gets `applied=False` with its own owner epoch. A claim on a withdrawn
        event makes the delivery `withdrawn` instead, and returns that state.
        """
        batch = self._transitions(transitions)
        answers = (await self._store.run(batch))[0]
        return [
            result_of(transition, answer) for transition, answer in zip(transitions, answers, strict=True)
        ]

    async def current(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[TransitionResult]:
        """Return the current state, owner and attempt of each (event, delivery id), in order; nothing is written."""
        return [current_of_row(row) for row in await self.rows(deliveries)]

    async def entry(self, event: str, delivery: str) -> Entry | None:
        """Return a delivery with its history; None where there is none."""
        return (await self.entries_of([(event, delivery)]))[0]

    async def newest_steps(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[HistoryStep | None]:
        """Return the newest step of each (event, delivery id), in order; None for one that is not there."""
        rows = await self.rows(deliveries)
        return [readable("ledger", newest_step_of, row) if row else None for row in rows]

    async def entries_of(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[Entry | None]:
        """Return each (event, delivery id) with its history, in order; None for one that is not there."""
        return [
            _readable_entry(event, delivery, row) if row else None
            for (event, delivery), row in zip(deliveries, await self.rows(deliveries), strict=True)
        ]

    async def entries(self, event: str) -> AsyncIterator[Entry]:
        """Yield all deliveries of an event, in no order."""
        if not is_event_key(event):
            return
        seen, others, segment, bucket = set[bytes](), set[str](), "", 0
        while segment != _NOWHERE:
            _, segment, bucket, alike, *rows = await self._read_event(event, segment, bucket)
            others |= keys_of_fields(int(event[:2], 16), alike)
            for own, row in zip(rows[::2], rows[1::2], strict=True):
                if own not in seen:
                    seen.add(own)
                    entry = _readable_entry(event, event + own.hex(), row)
                    if entry is not None and not any(is_of(other, entry) for other in others):
                        yield entry

    async def head(self, event: str) -> Mapping[str, object] | None:
        """Return what is kept of an event: type, source, id, times, position, `withdrawn_ms` if it is withdrawn.

        None where nothing is kept.
        """
        if not is_event_key(event):
            return None
        head, *_ = await self._read_event(event, _NOWHERE, 0)
        if not head:
            return None
        if code := code_in(head):
            await self._names.load((code,))
        kept = head_of(event, head, self._names)
        return kept if len(kept) > 1 else None

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        """Mark an event as withdrawn, whether or not it has come yet; claims check the mark. The first time is kept.

        The mark is kept as long as the event, and for an event that has not come at least `keep_s` seconds.
        """
        place = self.place(event)
        await self._store.run_script(
            _WITHDRAW, place.shard, place.head, withdrawn_bytes(at_ms), hours_of(keep_s)
        )

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> list[tuple[str, str]]:
        """Return (event, delivery) of a recipient's deliveries, newest first; some may have left the ledger."""
        key = self._store.keys.deliveries(recipient)
        newest, pages = await self._store.pipeline(
            [
                ("ZREVRANGEBYSCORE", key, "+inf", since_ms, "WITHSCORES"),
                ("LRANGE", f"{key}:older", -(limit // _PAGE_DELIVERIES + 1), -1),
            ]
        )
        times = {member: int(at_ms) for page in pages for member, at_ms in _members(page)}
        times |= {bytes(member): int(score) for member, score in _pairs(newest)}
        found = sorted(((at, member) for member, at in times.items() if at >= since_ms), reverse=True)
        members = [member.hex() for _, member in found[:limit]]
        return [(member[: 2 * EVENT_BYTES], member) for member in members]

    async def named(self, event_id: str) -> Sequence[str]:
        """Return the keys of the events with this id, one a source, at most 100."""
        octets = bytes.fromhex(id_part(event_id))
        fields = await self._store.run_script(
            _NAMED, self._store.keys.ledger_shard(octets[0]), octets[1:], _SAME_ID
        )
        return sorted(key_of_field(octets[0], field) for field in fields)

    async def index_by_recipient(self, new_entries: Sequence[NewEntry]) -> None:
        """Add deliveries to the index by recipient; `open` does it itself."""
        await self._store.run(self._by_recipient(new_entries))

    async def rows(self, deliveries: Sequence[tuple[str, str]]) -> list[bytes]:
        """Return the rows of (event, delivery) pairs; empty for one that is not there."""
        pieces: dict[str, list[Piece]] = {}
        known = [i for i, (_, delivery) in enumerate(deliveries) if is_delivery_id(delivery)]
        for n, i in enumerate(known):
            event, delivery = deliveries[i]
            place = self.place(event)
            pieces.setdefault(place.shard, []).append(((n,), (place.row(delivery), place.rest)))
        batch = ScriptBatch(_READ, self._store.cluster)
        batch.add_pieces(pieces)
        rows = [b""] * len(deliveries)
        for i, row in zip(known, (await self._store.run(batch))[0], strict=True):
            rows[i] = row
        return rows

    def place(self, event: str) -> Place:
        """Return where an event is. Raise ValueError for text that is no key of an event."""
        return place_of(self._store.keys, event)

    def _entries(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> ScriptBatch:
        pieces: dict[str, list[Piece]] = {}
        head_of_event = {head.event.key: head for head in heads}
        items_of: dict[str, Sequence[int]] = dict.fromkeys(head_of_event, ())
        items_of |= by_event(one.event for one in new_entries)
        for event, items in items_of.items():
            place, head = self.place(event), head_of_event.get(event)
            octets, hours = b"", _HOURS_WITHOUT_HEAD
            if head is not None:
                octets, hours = head_bytes(head, self._names), hours_of(head.retention_s)
            for part in chunks(items):
                args: list[Arg] = [place.head, octets, _SIZE.pack(len(part), hours)]
                for i in part:
                    args += (place.row(new_entries[i].delivery), first_row(new_entries[i]))
                pieces.setdefault(place.shard, []).append((part, args))
        batch = ScriptBatch(_OPEN, self._store.cluster, (_WITHDRAWN_STEP, ALLOWED[State.withdrawn]))
        batch.add_pieces(pieces)
        return batch

    def _transitions(self, transitions: Sequence[Transition]) -> ScriptBatch:
        kinds: dict[tuple[bytes, str], bytes] = {}
        pieces: dict[str, list[Piece]] = {}
        for i, one in enumerate(transitions):
            kind = (REPLAYABLE[one.replay, one.to] if one.replay else ALLOWED[one.to], one.held_by)
            code = kinds.get(kind) or kinds.setdefault(kind, (len(kinds) + 1).to_bytes(2, "big"))
            place = self.place(one.event)
            change = place.rest + code + transition_step(one)
            pieces.setdefault(place.shard, []).append(((i,), (place.row(one.delivery), change)))
        fixed = (_WITHDRAWN_STEP, len(kinds), *(part for kind in kinds for part in kind))
        batch = ScriptBatch(_TRANSITION, self._store.cluster, fixed)
        batch.add_pieces(pieces)
        return batch

    async def _read_event(self, event: str, segment: str, bucket: int) -> tuple[Any, ...]:
        place = self.place(event)
        head, next_segment, next_bucket, *rows = await self._store.run_script(
            _READ_EVENT, place.shard, place.head, segment, bucket
        )
        return head, next_segment.decode(), next_bucket, *rows

    def _by_recipient(self, new_entries: Sequence[NewEntry]) -> ScriptBatch:
        batch = ScriptBatch(_INDEX_BY_RECIPIENT, self._store.cluster, self._index_limits)
        for i, args in batch.grouped((one.recipient for one in new_entries), self._store.keys.deliveries):
            args.extend((new_entries[i].at_ms, bytes.fromhex(new_entries[i].delivery)))
        return batch


def _members(page: bytes) -> Iterator[tuple[bytes, int]]:
    size = _TIME_BYTES + DELIVERY_BYTES
    for start in range(0, len(page), size):
        yield (
            page[start + _TIME_BYTES : start + size],
            int.from_bytes(page[start : start + _TIME_BYTES], "big"),
        )


def _pairs(reply: Sequence[Any]) -> Iterator[tuple[bytes, float]]:
    """Yield member and score of a reply with scores: pairs in RESP3, a flat list in RESP2."""
    if reply and isinstance(reply[0], list):
        yield from ((member, float(score)) for member, score in reply)
    else:
        yield from ((m, float(score)) for m, score in zip(reply[::2], reply[1::2], strict=True))


def _readable_entry(event: str, delivery: str, row: bytes) -> Entry | None:
    return readable("ledger", lambda stored: entry_of(event, delivery, stored), row)
