"""Resolve: events become deliveries. Each recipient × channel enters the ledger, also where nothing is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent, Withdrawal
from service.model.ledger import NewEntry, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline.messages import dead_letter, dispatch_message, message_of
from service.pipeline.resolve import ingest
from service.pipeline.resolve.audience import Candidate, candidates, role_members, want
from service.pipeline.resolve.decide import EventInProgress, decide_deliveries
from service.pipeline.resolve.withdraw import WithdrawalProcessor
from service.ports import Clock, EventHead, Ledger, LookupKeys, SupersedableEvent, SupersedeIndex, Tables

CHUNK = 500
"""Deliveries that are entered, produced and held in memory at a time."""

SHARDED_FROM = 1000
"""From so many recipients on an event's ledger is split."""

_HANDED_ON = frozenset({State.queued, State.withdrawn})
_CLOSED_HERE = frozenset({State.skipped, State.expired})


@dataclass(slots=True)
class _IncomingEvent(EventInProgress):
    """An event on its way, with the record it came in."""

    record: Record = field(kw_only=True)
    sharded: bool = False


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
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._tables = tables
        self._ledger = ledger
        self._supersedes = supersedes
        self._withdraw = withdraw
        self._topics = topics
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Parse, look up, decide, enter, hand on. Raises Unavailable when tables or ledger are away."""
        cases, repeats, refused, withdrawals = self._parse(records)
        if refused:
            yield Done([record for record, _ in refused], [message for _, message in refused])
        for record, withdrawal in withdrawals:
            async for messages in self._withdraw(withdrawal):
                yield Done([], messages)
            yield Done([record])
        wanted = LookupKeys()
        for case in cases:
            want(case.event, case.row, wanted)
        rows = await self._tables.lookup(wanted)
        chunk: list[tuple[_IncomingEvent, Candidate | None]] = []
        finished: list[Record] = []
        for case in cases:
            found = list(candidates(case.event, case.row, rows))
            pages = (
                {r: rows.roles[r].cursor for r in case.row.roles if r in rows.roles} if wanted.roles else {}
            )
            case.sharded = len(found) > SHARDED_FROM or any(cursor is not None for cursor in pages.values())
            for candidate in found or (None,):
                chunk.append((case, candidate))
                if len(chunk) >= CHUNK:
                    yield Done(finished, await self._enter(chunk))
                    chunk, finished = [], []
            for role, cursor in pages.items():
                async for members in self._more(role, cursor):
                    yield Done(finished, await self._enter(chunk + [(case, c) for c in members]))
                    chunk, finished = [], []
            finished.append(case.record)
        yield Done(finished + repeats, await self._enter(chunk))

    def _parse(
        self, records: Sequence[Record]
    ) -> tuple[
        list[_IncomingEvent], list[Record], list[tuple[Record, Message]], list[tuple[Record, Withdrawal]]
    ]:
        """Events to work on, records that repeat one of them, dead letters, and withdrawals."""
        cases: dict[str, _IncomingEvent] = {}
        withdrawals: list[tuple[Record, Withdrawal]] = []
        repeats: list[Record] = []
        refused: list[tuple[Record, Message]] = []
        for record in records:
            try:
                event = ingest.parse(record.value, record.headers, self._catalogue, record.timestamp_ms)
            except InvalidEvent as error:
                refused.append((record, dead_letter(self._topics.dead_letter, "resolve", record, error)))
                continue
            if isinstance(event, Withdrawal):
                withdrawals.append((record, event))
            elif event.key in cases:
                repeats.append(record)
            else:
                cases[event.key] = _IncomingEvent(event, self._catalogue[event.type], record=record)
        return list(cases.values()), repeats, refused, withdrawals

    async def _more(self, role: str, cursor: str | None) -> AsyncIterator[Iterator[Candidate]]:
        while cursor is not None:
            page = await self._tables.role(role, cursor, CHUNK)
            yield role_members(role, page.members)
            cursor = page.cursor

    async def _enter(self, chunk: Sequence[tuple[_IncomingEvent, Candidate | None]]) -> list[Message]:
        """Write a chunk to the ledger; the messages for what is to be delivered and for operators.

        An event that found nobody comes with None, so that the ledger can say so.
        """
        now = self._clock.now_ms()
        heads: dict[str, EventHead] = {}
        new_entries: list[NewEntry] = []
        deliveries: list[Delivery] = []
        for case, candidate in chunk:
            if case.event.key not in heads:
                heads[case.event.key] = self._head(case)
            if candidate is None:
                continue
            for delivery, verdict in decide_deliveries(case, candidate, now):
                deliveries.append(delivery)
                new_entries.append(
                    NewEntry(
                        event=delivery.event,
                        delivery=delivery.id,
                        recipient=delivery.recipient,
                        channel=delivery.channel,
                        state=verdict.state,
                        reason=verdict.reason,
                        at_ms=now,
                        detail=verdict.detail,
                        rule=delivery.rule,
                        matched=delivery.matched,
                    )
                )
        if not heads:
            return []
        replacing = [(d.supersede_key, d.event, d.created_ms) for d in deliveries if d.supersede]
        messages: list[Message] = []
        if replacing:
            keyed = {
                d.event: SupersedableEvent(d.supersede, d.event, d.created_ms, heads[d.event].retention_s)
                for d in deliveries
                if d.supersede
            }
            _, messages = await asyncio.gather(
                self._supersedes.supersede(replacing), self._withdraw.note(list(keyed.values()))
            )
        states = await self._ledger.open(list(heads.values()), new_entries)
        messages += self._messages(deliveries, new_entries, states)
        for delivery, new_entry, state in zip(deliveries, new_entries, states, strict=True):
            if state is not new_entry.state and state in _CLOSED_HERE:
                messages += await self._retell(delivery, new_entry)
        return messages

    async def _retell(self, delivery: Delivery, new_entry: NewEntry) -> list[Message]:
        """What resolve itself closed before, for another reason than now: its telling may have been lost."""
        entry = await self._ledger.entry(delivery.event, delivery.id)
        if entry is None:
            return []
        step = entry.steps[0]
        stood = new_entry._replace(state=step.state, reason=step.reason, at_ms=step.at_ms, detail=step.detail)
        return [message_of(self._topics, _outcome(delivery, stood, step.state))]

    def _head(self, case: _IncomingEvent) -> EventHead:
        record = case.record
        position = f"{record.topic}:{record.partition}:{record.offset}"
        return EventHead(case.event, case.row.retention, case.sharded, position)

    def _messages(
        self, deliveries: Sequence[Delivery], new_entries: Sequence[NewEntry], states: Sequence[State]
    ) -> Iterator[Message]:
        """What was entered before and has moved on since needs nothing more: its own stage told the rest.

        What is still queued is handed on whatever is thought of it now: it may never have been.
        """
        for delivery, new_entry, state in zip(deliveries, new_entries, states, strict=True):
            if state is not new_entry.state and state not in _HANDED_ON:
                continue
            if state is State.queued:
                yield dispatch_message(self._topics, delivery)
            yield message_of(self._topics, _outcome(delivery, new_entry, state))


def _outcome(delivery: Delivery, new_entry: NewEntry, state: State) -> Outcome:
    reason, detail = new_entry.reason, new_entry.detail
    if state is not new_entry.state:  # entered before, or withdrawn meanwhile: not by what this opening says
        reason = Reason.withdrawn_by_source if state is State.withdrawn else Reason.none
        detail = new_entry.detail if state is State.withdrawn else ""
    detail = f"{delivery.rule} {delivery.matched}: {detail}" if delivery.matched else detail
    transition = Transition(delivery.event, delivery.id, state, reason, new_entry.at_ms, detail=detail)
    return Outcome.of_transition(delivery, transition)
