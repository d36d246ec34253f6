"""The resolve stage: each recipient × channel of an event gets a ledger entry, also where nothing is sent.

1. Parse the records of a batch. Invalid events become dead letters, withdrawals are executed.
2. Look up all rows that the audiences need, in one pipeline.
3. Decide the deliveries of each candidate, in chunks of `CHUNK` that bound memory and messages.
4. Note supersede keys and withdrawals of a chunk, then enter its deliveries in the ledger.
5. Yield the messages: queued deliveries to the stage of their channel, and an outcome of each delivery.
6. Save how far a wide event has come, once Kafka has acknowledged that; another worker continues there.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import DEFAULT_BOUND, ClockBound, Event, InvalidEvent, Withdrawal
from service.model.ledger import NewEntry, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.observability.log_limit import LogLimit
from service.observability.metrics import CLOCK_AHEAD
from service.pipeline.messages import dead_letter, dispatch_message, message_of
from service.pipeline.resolve import ingest
from service.pipeline.resolve.audience import AudiencePosition, Candidate
from service.pipeline.resolve.decide import decide_deliveries
from service.pipeline.resolve.precedence import Decision
from service.pipeline.resolve.read import AudienceReader, IncomingEvent
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from service.ports import (
    MANY,
    Clock,
    EventHead,
    FanOuts,
    Ledger,
    SupersedableEvent,
    SupersedeIndex,
    Tables,
)
from service.ports.turns import Turns

log = structlog.get_logger(__name__)
_clock_lines = LogLimit()

CHUNK = 500
"""Candidates whose deliveries are entered, produced and held in memory at a time."""

CHUNK_BYTES = 1024 * 1024
"""Bytes of their events together: every delivery carries the data of its event."""

_CLOSED_BY_RESOLVE = frozenset({State.skipped, State.expired})


class _ParsedBatch(NamedTuple):
    """The events of a batch, records that repeat one of them, dead letters, and withdrawals."""

    events: Sequence[IncomingEvent]
    repeats: Sequence[Record]
    refused: Sequence[tuple[Record, Message]]
    withdrawals: Sequence[tuple[Record, Withdrawal]]


class ResolveHandler:
    """The handler of the resolve stage."""

    def __init__(
        self,
        catalogue: Catalogue,
        tables: Tables,
        ledger: Ledger,
        supersedes: SupersedeIndex,
        withdraw: WithdrawalProcessor,
        *,
        fan_outs: FanOuts,
        topics: TopicNames,
        clock: Clock,
        bound: ClockBound = DEFAULT_BOUND,
    ) -> None:
        self._catalogue = catalogue
        self._bound = bound
        self._audiences = AudienceReader(tables, fan_outs, clock)
        self._ledger = ledger
        self._supersedes = supersedes
        self._withdraw = withdraw
        self._topics = topics
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Parse, look up, decide, enter, dispatch. Raise Unavailable when tables or ledger are unavailable."""
        parsed = await self._parse(records)
        if parsed.refused:
            yield Done([record for record, _ in parsed.refused], [message for _, message in parsed.refused])
        # Withdrawals first: an event of the same batch is then entered as withdrawn, and never dispatched.
        for record, withdrawal in parsed.withdrawals:
            async for messages in self._withdraw(withdrawal):
                yield Done([], messages)
            yield Done([record])
        chunk: list[tuple[IncomingEvent, Candidate | None]] = []
        # A record is finished, and a position reached, only with the chunk that holds the last candidate before it.
        finished: list[Record] = []
        reached: dict[str, tuple[IncomingEvent, AudiencePosition | None]] = {}
        chunk_bytes = 0
        async for part in self._audiences.read(parsed.events):
            incoming = part.incoming
            size = len(incoming.record.value or b"")
            for candidate in part.candidates:
                chunk.append((incoming, candidate))
                chunk_bytes += size
                if len(chunk) >= CHUNK or chunk_bytes >= CHUNK_BYTES:
                    messages = await self._open_entries(chunk)
                    yield Done(finished, messages, self._audiences.save(reached))
                    chunk, finished, reached, chunk_bytes = [], [], {}, 0
            if part.after is not None or (part.last and incoming.deliveries == MANY):
                reached[incoming.event.key] = (incoming, part.after)
            if not (part.candidates or part.last):
                yield Done([])  # progress, by which the stage counts as alive
            if part.last:
                finished.append(incoming.record)
        messages = await self._open_entries(chunk)
        yield Done([*finished, *parsed.repeats], messages, self._audiences.save(reached))

    async def _parse(self, records: Sequence[Record]) -> _ParsedBatch:
        """Parse a batch."""
        events: dict[str, IncomingEvent] = {}
        repeats: list[Record] = []
        refused: list[tuple[Record, Message]] = []
        withdrawals: list[tuple[Record, Withdrawal]] = []
        now_ms, turns = self._clock.now_ms(), Turns()
        for record in records:
            await turns.worked(len(record.value or b""))
            try:
                event = ingest.parse(
                    record.value,
                    record.headers,
                    self._catalogue,
                    record.timestamp_ms,
                    now_ms=now_ms,
                    bound=self._bound,
                )
            except InvalidEvent as error:
                refused.append((record, dead_letter(self._topics.dead_letter, "resolve", record, error)))
                continue
            if isinstance(event, Withdrawal):
                withdrawals.append((record, event))
            elif event.key in events:
                repeats.append(record)
            else:
                if event.stated_ms is not None:
                    _note_clock(event)
                events[event.key] = IncomingEvent(event, self._catalogue[event.type], record=record)
        return _ParsedBatch(list(events.values()), repeats, refused, withdrawals)

    async def _open_entries(self, chunk: Sequence[tuple[IncomingEvent, Candidate | None]]) -> list[Message]:
        """Enter a chunk in the ledger. Return the messages for the channels' stages and for operators.

        An event without recipients comes with None as its candidate, so that its head is in the ledger.
        """
        now_ms = self._clock.now_ms()
        heads: dict[str, EventHead] = {}
        new_entries: list[NewEntry] = []
        deliveries: list[Delivery] = []
        for incoming, candidate in chunk:
            if incoming.event.key not in heads:
                heads[incoming.event.key] = incoming.head
            if candidate is None:
                continue
            for delivery, decision in decide_deliveries(incoming, candidate, now_ms):
                deliveries.append(delivery)
                new_entries.append(_new_entry(delivery, decision, now_ms))
        if not heads:
            return []
        # Supersede keys before the ledger: a withdrawal of a key then finds the event or is found by it, and the entry
        # is opened as withdrawn. In the other order, a withdrawal between the two would miss the event.
        messages = await self._note_supersede_keys(deliveries, heads)
        # The ledger before the messages: a stage that found no entry would finish the record without sending. If the
        # worker dies here, the event's record is read again, and what is queued is dispatched then.
        states = await self._ledger.open(list(heads.values()), new_entries)
        messages += self._messages(deliveries, new_entries, states)
        for delivery, new_entry, state in zip(deliveries, new_entries, states, strict=True):
            if state is not new_entry.state and state in _CLOSED_BY_RESOLVE:
                messages += await self._re_emit(delivery, new_entry)
        return messages

    async def _note_supersede_keys(
        self, deliveries: Sequence[Delivery], heads: Mapping[str, EventHead]
    ) -> list[Message]:
        supersedable = {
            d.event: SupersedableEvent(d.supersede, d.event, d.created_ms, heads[d.event].retention_s)
            for d in deliveries
            if d.supersede
        }
        if not supersedable:
            return []
        # Before both are written: an event without a time of its own has that of its receipt, and published again, it
        # must not be newer than what has come since.
        repeatable = [d for d in supersedable.values() if d.time_ms == heads[d.event].event.received_ms]
        first_ms = await self._withdraw.first_times_ms(repeatable)
        supersedable |= {
            event: supersedable[event]._replace(time_ms=at_ms) for event, at_ms in first_ms.items()
        }
        newest = [
            (d.supersede_key, d.event, supersedable[d.event].time_ms) for d in deliveries if d.supersede
        ]
        _, messages = await asyncio.gather(
            self._supersedes.supersede(newest), self._withdraw.note(list(supersedable.values()))
        )
        return messages

    async def _re_emit(self, delivery: Delivery, new_entry: NewEntry) -> list[Message]:
        """Return the outcome of a delivery that resolve closed before, for another reason than it would now.

        The first outcome may have been lost with a worker.
        """
        entry = await self._ledger.entry(delivery.event, delivery.id)
        if entry is None:
            return []
        step = entry.newest_step
        current = new_entry._replace(
            state=step.state, reason=step.reason, at_ms=step.at_ms, detail=step.detail
        )
        return [message_of(self._topics, _outcome(delivery, current, step.state))]

    def _messages(
        self, deliveries: Sequence[Delivery], new_entries: Sequence[NewEntry], states: Sequence[State]
    ) -> Iterator[Message]:
        """Yield the messages of a chunk: what is queued is dispatched, and of what was decided there is an outcome.

        `states`: the current state of each delivery in the ledger.

        A delivery that was entered before and has changed state since needs none: its own stage emitted the rest.
        One that is still queued is dispatched whatever would be decided now, since it may never have been dispatched.
        """
        for delivery, new_entry, state in zip(deliveries, new_entries, states, strict=True):
            if state is State.queued:
                yield dispatch_message(self._topics, delivery)
            elif state is new_entry.state or state is State.withdrawn:
                yield message_of(self._topics, _outcome(delivery, new_entry, state))


def _note_clock(event: Event) -> None:
    CLOCK_AHEAD.add((event.type,))
    if (repeats := _clock_lines.admit(event.type)) is None:
        return
    ahead_s = ((event.stated_ms or 0) - event.received_ms) // 1000
    source, event_id = event.source[:256], event.id[:256]
    log.warning("event_ahead_of_clock", source=source, event_id=event_id, ahead_s=ahead_s, **repeats)


def _new_entry(delivery: Delivery, decision: Decision, now_ms: int) -> NewEntry:
    return NewEntry.of_delivery(delivery, decision.state, decision.reason, now_ms, decision.detail)


def _outcome(delivery: Delivery, new_entry: NewEntry, state: State) -> Outcome:
    reason, detail = new_entry.reason, new_entry.detail
    if state is not new_entry.state:  # withdrawn meanwhile: the new entry's reason does not apply
        reason = Reason.withdrawn_by_source
    detail = f"{delivery.rule} {delivery.matched}: {detail}" if delivery.matched else detail
    transition = Transition(delivery.event, delivery.id, state, reason, new_entry.at_ms, detail=detail)
    return Outcome.of_transition(delivery, transition)
