"""Rebuild: an empty Redis is filled again from what Kafka keeps, by the same ports that fill it every day.

Everything here may be done twice: rows have versions, entries and deliveries have ids, moves are checked. Deliveries
that were queued and not finished are left alone: Kafka gives them to their stages again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.model.catalogue import Catalogue
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.event import Event, InvalidEvent
from service.model.ledger import TRANSITIONS, State
from service.model.outcome import Outcome, ReadMark
from service.model.record import Record
from service.model.soft_bounce import SoftBounceScore
from service.model.topics import TABLES, TopicNames
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.from_log import event_of, event_of_outcome, new_entry_of, transitions_of
from service.pipeline.inbox.stage import inbox_item
from service.pipeline.tables.records import RowChange, key_of, newest, put_changes, read_change
from service.pipeline.tables.writer import TableStores
from service.ports import (
    Clock,
    DueSet,
    EventHead,
    Inbox,
    InboxItem,
    Ledger,
    PendingRetries,
    Renderer,
    RenderFailed,
    SoftBounceScores,
    SupersedableEvent,
    SupersedeIndex,
    Withdrawals,
)

_NOT_SHOWN = frozenset({State.expired, State.dead, State.withdrawn, State.superseded})


@dataclass(frozen=True, slots=True)
class RebuildPorts:
    """All that a rebuild writes to."""

    stores: TableStores
    inbox: Inbox
    ledger: Ledger
    supersedes: SupersedeIndex
    withdrawals: Withdrawals
    scores: SoftBounceScores
    due: DueSet
    notes: PendingRetries
    renderer: Renderer
    clock: Clock


class Rebuilder:
    """Takes batches of records in the order of their times. `refused` counts records that mean nothing, by topic."""

    def __init__(self, catalogue: Catalogue, ports: RebuildPorts, topics: TopicNames) -> None:
        self.refused: Counter[str] = Counter()
        self._catalogue = catalogue
        self._ports = ports
        self._topics = topics
        self._table_of = {topics.table(name): name for name in TABLES}

    async def tables(self, records: Sequence[Record]) -> None:
        """Records of the tables' topics."""
        changes: list[RowChange] = []
        for record in records:
            try:
                changes.append(read_change(self._table_of[record.topic], record))
            except InvalidEvent:
                self.refused[record.topic] += 1
        await put_changes(self._ports.stores, newest(changes))

    async def history(self, records: Sequence[Record]) -> None:
        """Records of `dispatch.*`: deliveries, and what became of them."""
        deliveries: list[tuple[Delivery, Record]] = []
        outcomes: list[Outcome] = []
        marks: list[ReadMark] = []
        for record in records:
            if record.topic != self._topics.outcomes:
                if (delivery := self._delivery(record)) is not None:
                    deliveries.append((delivery, record))
            elif (told := self._told(record)) is not None:
                (marks if isinstance(told, ReadMark) else outcomes).append(told)  # type: ignore[arg-type]
        await self._enter(deliveries, outcomes)
        await self._put_into_inboxes([d for d, _ in deliveries if d.channel is Channel.inbox])
        await self._take_out(outcomes)
        for mark in marks:
            await self._ports.inbox.mark_read(mark.recipient, mark.ids, mark.at_ms)
        await self._note(outcomes)

    async def withdrawals(self, records: Sequence[Record]) -> None:
        """Records of `dispatch.withdrawals`, after all history: a mark would stop what had been sent before it."""
        for record in records:
            try:
                word = WithdrawalRecord.from_bytes(record.value or b"")
            except ValueError:
                self.refused[record.topic] += 1
                continue
            left_ms = record.timestamp_ms + word.keep_s * 1000 - self._ports.clock.now_ms()
            left_s = max(0, -(-left_ms // 1000))
            events: Sequence[str] = (word.event,)
            if word.supersede:
                events = await self._ports.withdrawals.withdraw(word.supersede, word.until_ms, left_s)
            for event in events:
                await self._ports.ledger.withdraw(event, word.until_ms, left_s)

    async def scores(self, records: Sequence[Record]) -> None:
        """Records of `dispatch.soft-bounces`: the last one of each address counts."""
        latest: dict[str, SoftBounceScore | None] = {}
        for record in records:
            try:
                key = key_of(record)
                latest[key] = None if record.value is None else SoftBounceScore.from_bytes(record.value)
            except ValueError:
                self.refused[record.topic] += 1
        standing = {key: score for key, score in latest.items() if score is not None}
        for key in latest.keys() - standing.keys():
            await self._ports.scores.clear(key)
        if standing:
            await self._ports.scores.put(standing, self._ports.clock.now_ms())

    async def due(self, records: Sequence[Record]) -> None:
        """Email deliveries once more: those that wait for their next attempt are put into the due set."""
        found = [d for record in records if (d := self._delivery(record)) is not None]
        notes = await self._ports.notes.noted([delivery.id for delivery in found])
        waiting = [
            (delivery.model_copy(update={"attempt": note[1]}), note[0])
            for delivery, note in zip(found, notes, strict=True)
            if note is not None
        ]
        if waiting:
            await self._ports.due.add([delivery for delivery, _ in waiting], [at for _, at in waiting])

    async def _enter(
        self, deliveries: Sequence[tuple[Delivery, Record]], outcomes: Sequence[Outcome]
    ) -> None:
        """Events, the newest of those that replace each other, and where each delivery stands."""
        ports, heads = self._ports, dict[str, EventHead]()
        for delivery, record in deliveries:
            self._head(heads, event_of(delivery), record.timestamp_ms)
        replacing = [(d.supersede_key, d.event, d.created_ms) for d, _ in deliveries if d.supersede]
        if replacing:
            await ports.supersedes.supersede(replacing)
            await self._keyed(deliveries, heads)
        first: dict[str, Outcome] = {}
        for told in outcomes:
            if told.state not in TRANSITIONS[None] or told.delivery in first:
                continue
            if self._head(heads, event_of_outcome(told), told.at_ms):
                first[told.delivery] = told
        new_entries = [new_entry_of(told) for told in first.values()]
        states = await ports.ledger.open(list(heads.values()), new_entries) if heads else []
        entered = [told for told, state in zip(first.values(), states, strict=True) if told.state is state]
        known = {id(told) for told in entered}
        transitions = [
            transition for told in outcomes if id(told) not in known for transition in transitions_of(told)
        ]
        if transitions:
            await ports.ledger.transition(transitions)

    async def _keyed(
        self, deliveries: Sequence[tuple[Delivery, Record]], heads: Mapping[str, EventHead]
    ) -> None:
        """Which events have a supersede key, as far as the ledger holds them: it may be withdrawn."""
        items = {
            d.event: SupersedableEvent(d.supersede, d.event, d.created_ms, heads[d.event].retention_s)
            for d, _ in deliveries
            if d.supersede and d.event in heads
        }
        if items:
            await self._ports.withdrawals.note(list(items.values()))

    def _head(self, heads: dict[str, EventHead], event: Event, at_ms: int) -> bool:
        """Note an event that the ledger would still hold; False for one that it would not."""
        row = self._catalogue.get(event.type)
        left_ms = at_ms + (row.retention * 1000 if row else 0) - self._ports.clock.now_ms()
        if left_ms <= 0:
            return False
        heads.setdefault(event.key, EventHead(event, -(-left_ms // 1000)))
        return True

    async def _put_into_inboxes(self, deliveries: Iterable[Delivery]) -> None:
        items: list[InboxItem] = []
        for delivery in deliveries:
            try:
                items.append(inbox_item(delivery, self._catalogue, self._ports.renderer))
            except (RenderFailed, KeyError):  # as the stage found; or a type that is no more
                self.refused[self._topics.inbox] += 1
        if items:
            await self._ports.inbox.add(items)

    async def _take_out(self, outcomes: Iterable[Outcome]) -> None:
        of_recipient: dict[str, list[str]] = {}
        for told in outcomes:
            if told.channel == Channel.inbox and told.state in _NOT_SHOWN:
                of_recipient.setdefault(told.recipient, []).append(told.delivery)
        for recipient, ids in of_recipient.items():
            await self._ports.inbox.remove(recipient, ids)

    async def _note(self, outcomes: Iterable[Outcome]) -> None:
        latest = {told.delivery: told for told in outcomes if CHANNELS[Channel(told.channel)].retried}
        waiting = {i: (told.next_ms, told.attempt) for i, told in latest.items() if told.next_ms}
        await self._ports.notes.note(waiting, [i for i in latest if i not in waiting])

    def _delivery(self, record: Record) -> Delivery | None:
        try:
            return Delivery.from_bytes(record.value)
        except ValueError:
            self.refused[record.topic] += 1
            return None

    def _told(self, record: Record) -> Outcome | ReadMark | None:
        value = record.value or b""
        for kind in (Outcome, ReadMark):
            try:
                return kind.from_bytes(value)
            except ValueError:
                continue
        self.refused[record.topic] += 1
        return None
