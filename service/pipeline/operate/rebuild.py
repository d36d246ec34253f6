"""Rebuild: fill an empty Redis from Kafka, through the same ports that fill it in operation.

Every step can be repeated: rows have versions, entries and deliveries have ids, transitions are checked. Deliveries
that were queued and not finished are left alone: their stages read them from Kafka again.
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
from service.pipeline.tables.records import RowChange, apply_changes, newest_changes, read_change, record_key
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
    """The ports that a rebuild writes to."""

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
    """Writer of Kafka records to Redis, batch by batch in the order of their times.

    `refused`: counts of invalid records by topic.
    """

    def __init__(self, catalogue: Catalogue, ports: RebuildPorts, topics: TopicNames) -> None:
        self.refused: Counter[str] = Counter()
        self._catalogue = catalogue
        self._ports = ports
        self._topics = topics
        self._table_of = {topics.table(name): name for name in TABLES}

    async def tables(self, records: Sequence[Record]) -> None:
        """Store the rows in records of the tables' topics."""
        changes: list[RowChange] = []
        for record in records:
            try:
                changes.append(read_change(self._table_of[record.topic], record))
            except InvalidEvent:
                self.refused[record.topic] += 1
        await apply_changes(self._ports.stores, newest_changes(changes))

    async def history(self, records: Sequence[Record]) -> None:
        """Apply records of `dispatch.*`: deliveries, outcomes and read marks."""
        deliveries: list[tuple[Delivery, Record]] = []
        outcomes: list[Outcome] = []
        marks: list[ReadMark] = []
        for record in records:
            if record.topic != self._topics.outcomes:
                if (delivery := self._delivery(record)) is not None:
                    deliveries.append((delivery, record))
            elif (decoded := self._outcome(record)) is not None:
                (marks if isinstance(decoded, ReadMark) else outcomes).append(decoded)  # type: ignore[arg-type]
        await self._fill_ledger(deliveries, outcomes)
        # Inbox entries before removals and read marks of the same batch: these do nothing where there is no entry yet,
        # and a withdrawn entry would come back.
        await self._fill_inboxes([d for d, _ in deliveries if d.channel is Channel.inbox])
        await self._remove_from_inboxes(outcomes)
        for mark in marks:
            await self._ports.inbox.mark_read(mark.recipient, mark.ids, mark.at_ms)
        await self._note_retries(outcomes)

    async def withdrawals(self, records: Sequence[Record]) -> None:
        """Apply records of `dispatch.withdrawals`, after all history: a mark would stop what was sent before it."""
        for record in records:
            try:
                withdrawal = WithdrawalRecord.from_bytes(record.value or b"")
            except ValueError:
                self.refused[record.topic] += 1
                continue
            left_ms = record.timestamp_ms + withdrawal.keep_s * 1000 - self._ports.clock.now_ms()
            left_s = max(0, -(-left_ms // 1000))
            events: Sequence[str] = (withdrawal.event,)
            if withdrawal.supersede:
                events = await self._ports.withdrawals.withdraw(
                    withdrawal.supersede, withdrawal.until_ms, left_s
                )
            for event in events:
                await self._ports.ledger.withdraw(event, withdrawal.until_ms, left_s)

    async def scores(self, records: Sequence[Record]) -> None:
        """Store the scores in records of `dispatch.soft-bounces`: the last record of each address counts."""
        latest: dict[str, SoftBounceScore | None] = {}
        for record in records:
            try:
                key = record_key(record)
                latest[key] = None if record.value is None else SoftBounceScore.from_bytes(record.value)
            except ValueError:
                self.refused[record.topic] += 1
        scores = {key: score for key, score in latest.items() if score is not None}
        for key in latest.keys() - scores.keys():
            await self._ports.scores.clear(key)
        if scores:
            await self._ports.scores.put(scores, self._ports.clock.now_ms())

    async def due(self, records: Sequence[Record]) -> None:
        """Read email deliveries again and put those that wait for their next attempt into the due set."""
        deliveries = [d for record in records if (d := self._delivery(record)) is not None]
        notes = await self._ports.notes.noted([delivery.id for delivery in deliveries])
        waiting = [
            (delivery.model_copy(update={"attempt": note[1]}), note[0])
            for delivery, note in zip(deliveries, notes, strict=True)
            if note is not None
        ]
        if waiting:
            await self._ports.due.add([delivery for delivery, _ in waiting], [at for _, at in waiting])

    async def _fill_ledger(
        self, deliveries: Sequence[tuple[Delivery, Record]], outcomes: Sequence[Outcome]
    ) -> None:
        """Enter events and deliveries, note the newest event of each supersede key, and make the transitions."""
        ports, heads = self._ports, dict[str, EventHead]()
        for delivery, record in deliveries:
            self._add_head(heads, event_of(delivery), record.timestamp_ms)
        superseding = [(d.supersede_key, d.event, d.created_ms) for d, _ in deliveries if d.supersede]
        if superseding:
            await ports.supersedes.supersede(superseding)
            await self._note_supersede_keys(deliveries, heads)
        first: dict[str, Outcome] = {}
        for outcome in outcomes:
            if outcome.state not in TRANSITIONS[None] or outcome.delivery in first:
                continue
            if self._add_head(heads, event_of_outcome(outcome), outcome.at_ms):
                first[outcome.delivery] = outcome
        new_entries = [new_entry_of(outcome) for outcome in first.values()]
        # Entries before transitions: the ledger refuses a transition of a delivery that it does not hold.
        states = await ports.ledger.open(list(heads.values()), new_entries) if heads else []
        entered = {
            id(outcome)
            for outcome, state in zip(first.values(), states, strict=True)
            if outcome.state is state
        }
        transitions = [
            transition
            for outcome in outcomes
            if id(outcome) not in entered
            for transition in transitions_of(outcome)
        ]
        if transitions:
            await ports.ledger.transition(transitions)

    async def _note_supersede_keys(
        self, deliveries: Sequence[tuple[Delivery, Record]], heads: Mapping[str, EventHead]
    ) -> None:
        """Note the supersede keys of the events that the ledger holds: a withdrawal may name such a key."""
        items = {
            d.event: SupersedableEvent(d.supersede, d.event, d.created_ms, heads[d.event].retention_s)
            for d, _ in deliveries
            if d.supersede and d.event in heads
        }
        if items:
            await self._ports.withdrawals.note(list(items.values()))

    def _add_head(self, heads: dict[str, EventHead], event: Event, at_ms: int) -> bool:
        """Add the head of an event; return False for one whose retention in the ledger is over."""
        notification_type = self._catalogue.get(event.type)
        retention_ms = notification_type.retention_s * 1000 if notification_type else 0
        left_ms = at_ms + retention_ms - self._ports.clock.now_ms()
        if left_ms <= 0:
            return False
        heads.setdefault(event.key, EventHead(event, -(-left_ms // 1000)))
        return True

    async def _fill_inboxes(self, deliveries: Iterable[Delivery]) -> None:
        items: list[InboxItem] = []
        for delivery in deliveries:
            try:
                items.append(inbox_item(delivery, self._catalogue, self._ports.renderer))
            except (RenderFailed, KeyError):  # dead-lettered by the stage too; or the type was removed
                self.refused[self._topics.inbox] += 1
        if items:
            await self._ports.inbox.add(items)

    async def _remove_from_inboxes(self, outcomes: Iterable[Outcome]) -> None:
        by_recipient: dict[str, list[str]] = {}
        for outcome in outcomes:
            if outcome.channel == Channel.inbox and outcome.state in _NOT_SHOWN:
                by_recipient.setdefault(outcome.recipient, []).append(outcome.delivery)
        for recipient, ids in by_recipient.items():
            await self._ports.inbox.remove(recipient, ids)

    async def _note_retries(self, outcomes: Iterable[Outcome]) -> None:
        latest = {o.delivery: o for o in outcomes if CHANNELS[Channel(o.channel)].retried}
        waiting = {i: (o.next_ms, o.attempt) for i, o in latest.items() if o.next_ms}
        await self._ports.notes.note(waiting, [i for i in latest if i not in waiting])

    def _delivery(self, record: Record) -> Delivery | None:
        try:
            return Delivery.from_bytes(record.value)
        except ValueError:
            self.refused[record.topic] += 1
            return None

    def _outcome(self, record: Record) -> Outcome | ReadMark | None:
        value = record.value or b""
        for kind in (Outcome, ReadMark):
            try:
                return kind.from_bytes(value)
            except ValueError:
                continue
        self.refused[record.topic] += 1
        return None
