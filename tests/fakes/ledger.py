"""The ledger in memory. Every move goes through `check_transition`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.model.ledger import (
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
from service.ports import EventHead
from tests.fakes.outage import Outage

_MOST_STEPS = 40
_WAITING = frozenset({State.deferred, State.ambiguous})


@dataclass
class _Row:
    entry: Entry
    owner: str = ""


@dataclass
class _Event:
    head: EventHead | None = None
    withdrawn_ms: int | None = None
    rows: dict[str, _Row] = field(default_factory=dict)


class FakeLedger:
    """The Ledger port; it forgets nothing."""

    def __init__(self) -> None:
        self.outage = Outage()
        self._events: dict[str, _Event] = {}
        self._index: dict[str, dict[tuple[str, str], int]] = {}

    async def open(self, heads: Sequence[EventHead], openings: Sequence[NewEntry]) -> Sequence[State]:
        self.outage.check()
        for head in heads:
            event = self._event(head.event.key)
            event.head = event.head or head
        return [self._open(opening) for opening in openings]

    async def move(self, moves: Sequence[Transition]) -> Sequence[TransitionResult]:
        self.outage.check()
        return [self._move(move) for move in moves]

    async def entry(self, event: str, delivery: str) -> Entry | None:
        self.outage.check()
        row = self._event(event).rows.get(delivery)
        return row.entry if row else None

    async def entries(self, event: str) -> AsyncIterator[Entry]:
        self.outage.check()
        for row in list(self._event(event).rows.values()):
            yield row.entry

    async def head(self, event: str) -> Mapping[str, object] | None:
        self.outage.check()
        known = self._events.get(event)
        if known is None or (known.head is None and known.withdrawn_ms is None):
            return None
        kept: dict[str, object] = {"key": event}
        if known.head is not None:
            of = known.head.event
            kept |= {
                "type": of.type,
                "source": of.source,
                "id": of.id,
                "time_ms": of.time_ms,
                "received_ms": of.received_ms,
            }
            optional = ("external_id", "project_id", "account", "actor", "expires_ms", "traceparent")
            kept |= {n: v for n in optional if (v := getattr(of, n)) not in (None, "")}
            kept |= {"position": known.head.position} if known.head.position else {}
            kept |= {"recipients": len(of.recipients)} if of.recipients is not None else {}
        if known.withdrawn_ms is not None:
            kept["withdrawn_ms"] = known.withdrawn_ms
        return kept

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        self.outage.check()
        if not keep_s and event not in self._events:
            return
        known = self._event(event)
        if known.withdrawn_ms is None:
            known.withdrawn_ms = at_ms

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

    def _open(self, opening: NewEntry) -> State:
        event = self._event(opening.event)
        pair = (opening.event, opening.delivery)
        self._index.setdefault(opening.recipient, {}).setdefault(pair, opening.at_ms)
        if opening.delivery not in event.rows:
            step = HistoryStep(opening.state, opening.reason, opening.at_ms, 0, _line(opening.detail))
            if event.withdrawn_ms is not None and _allowed(opening.state, State.withdrawn):
                step = HistoryStep(State.withdrawn, Reason.withdrawn_by_source, opening.at_ms)
            event.rows[opening.delivery] = _Row(
                Entry(
                    opening.event,
                    opening.delivery,
                    opening.recipient,
                    opening.channel,
                    (step,),
                    opening.rule,
                    opening.matched,
                )
            )
        return event.rows[opening.delivery].entry.state

    def _move(self, move: Transition) -> TransitionResult:
        event = self._event(move.event)
        row = event.rows.get(move.delivery)
        if row is None:
            return TransitionResult(False, None)
        now, step = (
            row.entry.steps[0],
            HistoryStep(move.to, move.reason, move.at_ms, move.attempt, _line(move.detail)),
        )
        if now == step and row.owner == move.owner and move.to is not State.sending:
            return TransitionResult(True, move.to, move.owner, move.attempt)
        behind = move.owner and now.state in _WAITING and now.attempt + 1 != move.attempt
        if move.to is State.sending and behind and event.withdrawn_ms is None:
            return TransitionResult(False, now.state, row.owner, now.attempt)
        if not _allowed(now.state, move.to, move.replay):
            return TransitionResult(False, now.state, row.owner, now.attempt)
        applied, owner = True, move.owner
        if move.to is State.sending and event.withdrawn_ms is not None:
            applied, owner = False, ""
            step = HistoryStep(State.withdrawn, Reason.withdrawn_by_source, move.at_ms, move.attempt)
        steps = (step, *row.entry.steps)
        if len(steps) > _MOST_STEPS:
            steps = (*steps[: _MOST_STEPS - 1], steps[-1])
        event.rows[move.delivery] = _Row(replace(row.entry, steps=steps), owner)
        return TransitionResult(applied, step.state, owner, step.attempt)


def _allowed(current: State, to: State, replay: ReplayKind = ReplayKind.none) -> bool:
    try:
        check_transition(current, to, replay)
    except IllegalTransition:
        return False
    return True


def _line(text: str) -> str:
    return " ".join(text[:300].split())
