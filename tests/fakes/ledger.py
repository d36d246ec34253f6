"""The ledger in memory. `check_transition` allows or refuses every transition."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.model.ledger import (
    UNCLAIMED,
    WAITING,
    Entry,
    HistoryStep,
    IllegalTransition,
    NewEntry,
    ReplayKind,
    State,
    Transition,
    TransitionResult,
    check_transition,
)
from service.model.reasons import Reason
from service.model.restored_history import LoggedDelivery, arrange
from service.ports import EventHead
from tests.fakes.outage import Outage

_MOST_STEPS = 40
_ENDED_BY_WITHDRAWAL = frozenset({State.sending, State.digested})


@dataclass
class _Row:
    entry: Entry
    owner: str = ""


@dataclass
class _Event:
    head: EventHead | None = None
    withdrawn_ms: int | None = None
    rows: dict[str, _Row] = field(default_factory=dict)
    left_over: dict[str, tuple[HistoryStep, ...]] = field(default_factory=dict)


class FakeLedger:
    """Implements the Ledger, LedgerRestore and LedgerIndex ports; entries never expire."""

    def __init__(self) -> None:
        self.outage = Outage()
        self._events: dict[str, _Event] = {}
        self._index: dict[str, dict[tuple[str, str], int]] = {}

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        self.outage.check()
        for head in heads:
            event = self._event(head.event.key)
            event.head = event.head or head
        return [self._open(new_entry) for new_entry in new_entries]

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        self.outage.check()
        return [self._transition(transition) for transition in transitions]

    async def current(self, deliveries: Sequence[tuple[str, str]]) -> Sequence[TransitionResult]:
        self.outage.check()
        rows = [self._event(event).rows.get(delivery) for event, delivery in deliveries]
        return [
            TransitionResult(False, row.entry.state, row.owner, row.entry.newest_step.attempt)
            if row
            else TransitionResult(False, None)
            for row in rows
        ]

    async def entry(self, event: str, delivery: str) -> Entry | None:
        self.outage.check()
        row = self._event(event).rows.get(delivery)
        return row.entry if row else None

    async def newest_steps(self, deliveries: Sequence[tuple[str, str]]) -> list[HistoryStep | None]:
        return [entry and entry.newest_step for entry in await self.entries_of(deliveries)]

    async def entries_of(self, deliveries: Sequence[tuple[str, str]]) -> list[Entry | None]:
        return [await self.entry(event, delivery) for event, delivery in deliveries]

    async def entries(self, event: str) -> AsyncIterator[Entry]:
        self.outage.check()
        for row in list(self._event(event).rows.values()):
            yield row.entry

    async def head(self, event: str) -> Mapping[str, object] | None:
        self.outage.check()
        stored = self._events.get(event)
        if stored is None or (stored.head is None and stored.withdrawn_ms is None):
            return None
        kept: dict[str, object] = {"key": event}
        if stored.head is not None:
            head = stored.head.event
            kept |= {
                "type": head.type,
                "source": head.source,
                "id": head.id,
                "time_ms": head.time_ms,
                "received_ms": head.received_ms,
            }
            optional = ("external_id", "project_id", "account", "actor", "expires_ms", "stated_ms")
            kept |= {n: v for n in optional if (v := getattr(head, n)) not in (None, "")}
            if stored.head.position is not None:
                kept["position"] = ":".join(map(str, stored.head.position))
            kept |= {"recipients": len(head.recipients)} if head.recipients is not None else {}
        if stored.withdrawn_ms is not None:
            kept["withdrawn_ms"] = stored.withdrawn_ms
        return kept

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        self.outage.check()
        if not keep_s and event not in self._events:
            return
        stored = self._event(event)
        if stored.withdrawn_ms is None:
            stored.withdrawn_ms = at_ms

    async def restore(
        self, heads: Sequence[EventHead], logged: Sequence[LoggedDelivery]
    ) -> list[Entry | None]:
        await self.open(heads, [])
        return [self._restore(one) for one in logged]

    async def restored(self, deliveries: Sequence[tuple[str, str]]) -> list[Entry | None]:
        return await self.entries_of(deliveries)

    async def named(self, event_id: str) -> list[str]:
        self.outage.check()
        return sorted(key for key, e in self._events.items() if e.head and e.head.event.id == event_id)

    async def recipient_entries(
        self, recipient: str, since_ms: int = 0, limit: int = 100
    ) -> list[tuple[str, str]]:
        self.outage.check()
        times = self._index.get(recipient, {})
        recent = sorted((at, pair) for pair, at in times.items() if at >= since_ms)
        return [pair for _, pair in reversed(recent)][:limit]

    def _event(self, event: str) -> _Event:
        return self._events.setdefault(event, _Event())

    def _restore(self, logged: LoggedDelivery) -> Entry | None:
        event = self._event(logged.event)
        row = event.rows.get(logged.delivery)
        if row is None and event.head is None:
            return None
        old = row.entry.steps if row else ()
        history = arrange([*logged.steps, *event.left_over.get(logged.delivery, ()), *old], logged.since_ms)
        steps = tuple(replace(step, detail=_line(step.detail)) for step in history.steps)
        entry = Entry(
            logged.event,
            logged.delivery,
            logged.recipient,
            logged.channel,
            steps,
            logged.rule,
            logged.matched,
        )
        if row is not None:
            entry = replace(row.entry, steps=steps)
        event.rows[logged.delivery] = _Row(entry, steps[0].owner)
        event.left_over[logged.delivery] = history.left_over
        pair = (logged.event, logged.delivery)
        self._index.setdefault(entry.recipient, {}).setdefault(pair, steps[-1].at_ms)
        return entry

    def _open(self, new_entry: NewEntry) -> State:
        event = self._event(new_entry.event)
        pair = (new_entry.event, new_entry.delivery)
        self._index.setdefault(new_entry.recipient, {}).setdefault(pair, new_entry.at_ms)
        if new_entry.delivery not in event.rows:
            step = HistoryStep(new_entry.state, new_entry.reason, new_entry.at_ms, 0, _line(new_entry.detail))
            if event.withdrawn_ms is not None and _allowed(new_entry.state, State.withdrawn):
                step = HistoryStep(State.withdrawn, Reason.withdrawn_by_source, new_entry.at_ms)
            event.rows[new_entry.delivery] = _Row(
                Entry(
                    new_entry.event,
                    new_entry.delivery,
                    new_entry.recipient,
                    new_entry.channel,
                    (step,),
                    new_entry.rule,
                    new_entry.matched,
                )
            )
        return event.rows[new_entry.delivery].entry.state

    def _transition(self, transition: Transition) -> TransitionResult:
        event = self._event(transition.event)
        row = event.rows.get(transition.delivery)
        if row is None:
            return TransitionResult(False, None)
        current = row.entry.newest_step
        detail = _line(transition.detail)
        step = HistoryStep(
            transition.to, transition.reason, transition.at_ms, transition.attempt, detail, transition.owner
        )
        if current == step and row.owner == transition.owner and transition.to is not State.sending:
            return TransitionResult(True, transition.to, transition.owner, transition.attempt)
        stale = transition.owner and current.state in WAITING and current.attempt + 1 != transition.attempt
        if transition.to is State.sending and stale and event.withdrawn_ms is None:
            return TransitionResult(False, current.state, row.owner, current.attempt)
        if transition.held_by and not _has_claim(row, transition.held_by):
            return TransitionResult(False, current.state, row.owner, current.attempt)
        if not _allowed(current.state, transition.to, transition.replay):
            return TransitionResult(False, current.state, row.owner, current.attempt)
        applied, owner = True, transition.owner
        if transition.to in _ENDED_BY_WITHDRAWAL and event.withdrawn_ms is not None:
            applied, owner = False, ""
            step = HistoryStep(
                State.withdrawn, Reason.withdrawn_by_source, transition.at_ms, transition.attempt
            )
        steps = (step, *row.entry.steps)
        if len(steps) > _MOST_STEPS:
            steps = (*steps[: _MOST_STEPS - 1], steps[-1])
        event.rows[transition.delivery] = _Row(replace(row.entry, steps=steps), owner)
        return TransitionResult(applied, step.state, owner, step.attempt)


def _has_claim(row: _Row, held_by: str) -> bool:
    if held_by == UNCLAIMED:
        return row.entry.state is State.queued
    return (row.entry.state, row.owner) == (State.sending, held_by)


def _allowed(current: State, to: State, replay: ReplayKind = ReplayKind.none) -> bool:
    try:
        check_transition(current, to, replay)
    except IllegalTransition:
        return False
    return True


def _line(text: str) -> str:
    return " ".join(text[:300].split())
