"""Rebuild: fill Redis from Kafka, through the same ports that fill it in operation.

Every phase can be repeated, and its result does not depend on the order of the records: rows have versions, entries and
deliveries have ids, histories are arranged by what the states allow. Deliveries that were queued and not finished are
left alone: their stages read them from Kafka again.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.model.blocks.suppression import SoftBounceScore
from service.model.catalogue import DIGEST, Catalogue, Lane
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.event import Event, InvalidEvent
from service.model.ledger import Entry, HistoryStep, State, is_open
from service.model.outcome import Outcome, ReadMark
from service.model.reasons import Reason
from service.model.record import Record
from service.model.topics import TABLES, TopicNames
from service.model.withdrawal import WithdrawalRecord
from service.pipeline.email.allowances import Allowances
from service.pipeline.from_log import event_of, event_of_outcome, logged_dispatch, logged_outcomes
from service.pipeline.inbox.stage import inbox_item
from service.pipeline.rebuild.due_restorer import DueRestorer, RestoredDelivery
from service.pipeline.resolve.event_time import EARLIEST_MS
from service.pipeline.tables.records import (
    RowChange,
    apply_changes,
    is_dated,
    newest_changes,
    read_change_in_turn,
    record_key,
)
from service.pipeline.tables.writer import TableStores
from service.ports import (
    MANY,
    Clock,
    DigestWindows,
    DueSet,
    EventHead,
    Inbox,
    InboxItem,
    Ledger,
    LedgerRestore,
    PendingRetries,
    Renderer,
    RenderFailed,
    SoftBounceScores,
    SupersedableEvent,
    SupersedeIndex,
    Withdrawals,
)
from service.ports.turns import Turns

_NOT_SHOWN = frozenset({State.expired, State.dead, State.withdrawn, State.superseded})
_UNFINISHED = frozenset({State.queued, State.sending})
_NO_OFFSETS: Mapping[tuple[str, int], int] = {}
_CLOCK_SKEW_MS = 1000
_DAY_MS = 86_400_000
_WIDE = 64
"""Deliveries of one event in a batch, after which it counts as a wide one."""


@dataclass(frozen=True, slots=True)
class RebuildPorts:
    """The ports that a rebuild writes to."""

    stores: TableStores
    inbox: Inbox
    ledger: Ledger
    restore: LedgerRestore
    supersedes: SupersedeIndex
    withdrawals: Withdrawals
    scores: SoftBounceScores
    due: DueSet
    windows: DigestWindows
    allowances: Allowances
    notes: PendingRetries
    renderer: Renderer
    clock: Clock


class RebuildPhase(NamedTuple):
    """A phase of a rebuild: the topics it reads, and what it does with a batch of their records."""

    name: str
    topics: Sequence[str]
    apply: Callable[[Sequence[Record]], Awaitable[None]]


class Rebuilder:
    """Writer of Kafka records to Redis, batch by batch.

    `committed`: offsets by (topic, partition) up to which the stages have finished the dispatch records; none of these
    is read again. `refused`: counts of invalid records by topic.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ports: RebuildPorts,
        topics: TopicNames,
        committed: Mapping[tuple[str, int], int] = _NO_OFFSETS,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._read_up_to: defaultdict[tuple[str, int], int] = defaultdict(lambda: EARLIEST_MS)
        self._catalogue = catalogue
        self._ports = ports
        self._topics = topics
        self._committed = committed
        self._due = DueRestorer(ports.due, ports.windows, ports.ledger, ports.notes, ports.clock)
        self._table_of = {topics.table(name): name for name in TABLES}

    def phases(self) -> Sequence[RebuildPhase]:
        """Return the phases in their order. `tables.preferences` is in none: its choices are in the rows already."""
        topics = self._topics
        lanes = [topics.email(lane) for lane in Lane]
        return (
            RebuildPhase(
                "tables", [topics.table(name) for name in TABLES if name != "preferences"], self.tables
            ),
            # Events before outcomes: these know less of their event, and the first head of an event stays.
            RebuildPhase("events", [*lanes, topics.inbox], self.events),
            RebuildPhase("outcomes", [topics.outcomes], self.outcomes),
            # What follows from the state of a delivery comes once its history is complete: on the way to it, a
            # delivery is in states that it has left.
            RebuildPhase("inboxes", [topics.inbox], self.inboxes),
            RebuildPhase("reads", [topics.outcomes], self.reads),
            RebuildPhase("withdrawals", [topics.withdrawals], self.withdrawals),
            RebuildPhase("scores", [topics.soft_bounces], self.scores),
            RebuildPhase("due", [*lanes, topics.inbox], self.due),
        )

    async def tables(self, records: Sequence[Record]) -> None:
        """Store the rows in records of the tables' topics."""
        changes: list[RowChange] = []
        turns = Turns()
        for record in records:
            table, read_ms = self._table_of[record.topic], self._read_ms(record)
            try:
                changes.append(await read_change_in_turn(table, record, read_ms, turns))
            except InvalidEvent:
                self.refused[record.topic] += 1
        await apply_changes(self._ports.stores, newest_changes(changes))

    def _read_ms(self, record: Record) -> int:
        """Return when the stage has read a record of a table, as far as its timestamp and those before it say.

        One of a clock that is years ahead came some time after the record before it, which has the same key where that
        matters.
        """
        partition, now_ms = (record.topic, record.partition), self._ports.clock.now_ms()
        if is_dated(record, now_ms):
            self._read_up_to[partition] = max(self._read_up_to[partition], record.timestamp_ms)
            return now_ms
        return self._read_up_to[partition]

    async def events(self, records: Sequence[Record]) -> None:
        """Enter the events of deliveries, without the deliveries, and note the newest event of each supersede key."""
        ports, heads = self._ports, dict[str, EventHead]()
        deliveries = await self._deliveries(records, count=True)
        together = Counter(delivery.event for delivery, _ in deliveries)
        for delivery, record in deliveries:
            # The records of a wide event come together, and how many there are in all no record says.
            size = MANY if together[delivery.event] > _WIDE else 0
            at_ms = max(record.timestamp_ms, delivery.deliver_ms)
            self._add_head(heads, event_of(delivery), at_ms, size)
        if heads:
            await ports.ledger.open(list(heads.values()), [])
        if superseding := [(d.supersede_key, d.event, d.created_ms) for d, _ in deliveries if d.supersede]:
            await ports.supersedes.supersede(superseding)
            await self._note_supersede_keys(deliveries, heads)

    async def outcomes(self, records: Sequence[Record]) -> None:
        """Put outcomes into the histories of their deliveries, note next attempts, and remove windows that are over."""
        outcomes = [one for one in self._outcomes(records, count=True) if isinstance(one, Outcome)]
        heads: dict[str, EventHead] = {}
        for outcome in outcomes:
            self._add_head(heads, event_of_outcome(outcome), outcome.received_ms or outcome.at_ms)
        if outcomes:
            await self._ports.restore.restore(list(heads.values()), logged_outcomes(outcomes))
        # An older Redis may have them open still: what came into one would be removed with it, and never sent.
        ended = [
            (one.recipient, one.delivery) for one in outcomes if one.type == DIGEST and not is_open(one.state)
        ]
        if ended:
            await self._ports.windows.remove(ended)
        since_ms = self._ports.clock.now_ms() - _DAY_MS
        await self._ports.allowances.restore(one for one in outcomes if one.at_ms > since_ms)
        await self._ports.notes.note(
            {(one.delivery, one.attempt): one.next_ms for one in outcomes if one.next_ms}
        )

    async def inboxes(self, records: Sequence[Record]) -> None:
        """Add the entries of deliveries that are shown, and of those that the ledger has forgotten.

        A delivery whose record the stage has finished, and that no outcome closed, was lost: it is delivered here.
        """
        deliveries = {d.id: (d, record) for d, record in await self._deliveries(records)}
        entries = await self._entries(deliveries)
        shown: list[Delivery] = []
        lost: list[Delivery] = []
        for delivery, record in deliveries.values():
            entry = entries[delivery.id]
            if entry is not None and entry.state is State.queued and self._is_finished(record, entry):
                lost.append(delivery)
            elif entry is None or _is_shown(entry):
                shown.append(delivery)
        await self._add_to_inboxes([*shown, *lost])
        if lost:
            now_ms = self._ports.clock.now_ms()
            step = HistoryStep(State.delivered, Reason.state_lost, now_ms)
            logged = [logged_dispatch(d, now_ms) for d in lost]
            await self._ports.restore.restore([], [one._replace(steps=[*one.steps, step]) for one in logged])

    async def reads(self, records: Sequence[Record]) -> None:
        """Mark entries read, and remove those whose delivery ended otherwise."""
        decoded = self._outcomes(records)
        ended = {
            one.delivery: one
            for one in decoded
            if isinstance(one, Outcome) and one.channel == Channel.inbox and one.state in _NOT_SHOWN
        }
        entries = await self._ports.restore.restored([(one.event, one.delivery) for one in ended.values()])
        by_recipient: dict[str, list[str]] = {}
        for outcome, entry in zip(ended.values(), entries, strict=True):
            if entry is None or not _is_shown(entry):
                by_recipient.setdefault(outcome.recipient, []).append(outcome.delivery)
        for recipient, ids in by_recipient.items():
            await self._ports.inbox.remove(recipient, ids)
        # By their times: the first mark of an entry counts.
        for mark in sorted((one for one in decoded if isinstance(one, ReadMark)), key=lambda one: one.at_ms):
            await self._ports.inbox.mark_read(mark.recipient, mark.ids, mark.at_ms)

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
        """Put the deliveries that wait into the due set, and items of digests into their windows.

        Mail whose record the stage has finished, and that is neither closed nor waits, was lost: it is due now.
        """
        deliveries = {d.id: (d, record) for d, record in await self._deliveries(records)}
        entries = await self._entries(deliveries)
        restored: list[RestoredDelivery] = []
        for delivery, record in deliveries.values():
            entry = entries[delivery.id]
            if entry is not None:
                is_open_mail = CHANNELS[delivery.channel].retried and entry.state in _UNFINISHED
                lost = is_open_mail and self._is_finished(record, entry)
                restored.append(RestoredDelivery(delivery, entry, lost))
        await self._due.restore(restored)

    async def _entries(self, deliveries: Mapping[str, tuple[Delivery, Record]]) -> Mapping[str, Entry | None]:
        """Return the ledger's entries of deliveries by id; one that no outcome has entered is entered as queued."""
        logged = [logged_dispatch(d, record.timestamp_ms) for d, record in deliveries.values()]
        entries = await self._ports.restore.restore([], logged) if logged else []
        return dict(zip(deliveries, entries, strict=True))

    def _is_finished(self, record: Record, entry: Entry) -> bool:
        """Return whether the stage has finished the record that dispatched a delivery in its present state.

        A replay dispatches a delivery again, after it is queued: the record from before is no longer its own.
        """
        if record.offset >= self._committed.get((record.topic, record.partition), 0):
            return False
        step = entry.newest_step
        return step.reason is not Reason.replayed or record.timestamp_ms >= step.at_ms - _CLOCK_SKEW_MS

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

    def _add_head(self, heads: dict[str, EventHead], event: Event, at_ms: int, deliveries: int = 0) -> bool:
        """Add the head of an event; return False for one whose retention in the ledger is over."""
        notification_type = self._catalogue.of_delivery(event.type)
        retention_ms = notification_type.kept_s * 1000 if notification_type else 0
        left_ms = at_ms + retention_ms - self._ports.clock.now_ms()
        if left_ms <= 0:
            return False
        heads.setdefault(event.key, EventHead(event, -(-left_ms // 1000), deliveries))
        return True

    async def _add_to_inboxes(self, deliveries: Iterable[Delivery]) -> None:
        items: list[InboxItem] = []
        for delivery in deliveries:
            try:
                items.append(inbox_item(delivery, self._catalogue, self._ports.renderer))
            except (RenderFailed, KeyError):  # dead-lettered by the stage too; or the type was removed
                self.refused[self._topics.inbox] += 1
        if items:
            await self._ports.inbox.add(items)

    async def _deliveries(
        self, records: Sequence[Record], *, count: bool = False
    ) -> list[tuple[Delivery, Record]]:
        """Return the deliveries in records; with `count` invalid ones are counted, once for all phases."""
        turns, deliveries = Turns(), list[tuple[Delivery, Record]]()
        for record in records:
            await turns.worked(len(record.value or b""))
            try:
                deliveries.append((Delivery.from_bytes(record.value), record))
            except ValueError:
                self.refused[record.topic] += count
        return deliveries

    def _outcomes(self, records: Sequence[Record], *, count: bool = False) -> list[Outcome | ReadMark]:
        """Return the outcomes and read marks in records; with `count` invalid ones are counted."""
        decoded: list[Outcome | ReadMark] = []
        for record in records:
            one = _outcome(record.value or b"")
            if one is not None:
                decoded.append(one)
            else:
                self.refused[record.topic] += count
        return decoded


def _outcome(value: bytes) -> Outcome | ReadMark | None:
    for kind in (Outcome, ReadMark):
        try:
            return kind.from_bytes(value)
        except ValueError:
            continue
    return None


def _is_shown(entry: Entry) -> bool:
    """Return whether a delivery has an inbox entry: it was delivered, and has not ended otherwise since."""
    last = next((s.state for s in entry.steps if s.state is State.delivered or s.state in _NOT_SHOWN), None)
    return last is State.delivered
