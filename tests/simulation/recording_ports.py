"""Fakes of the ports that record what the invariants need: the order of changes, claims, lookups, due times."""

from collections import defaultdict
from collections.abc import Sequence
from contextvars import ContextVar
from typing import NamedTuple

from service.model.blocks.suppression import Suppression
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ledger import TRANSITIONS, NewEntry, State, Transition, TransitionResult
from service.model.reasons import Reason
from service.ports import EventHead, LookupKeys, Rows
from tests.fakes.clock import FakeClock
from tests.fakes.due import FakeDueSet
from tests.fakes.ledger import FakeLedger
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables


class Moment(NamedTuple):
    """The number of the last change, and the time."""

    change: int = -1
    at_ms: int = 0


class ChangeCounter:
    """Numbers the changes, so that a lookup is known to come before or after one."""

    def __init__(self, clock: FakeClock) -> None:
        self._last = 0
        self._clock = clock

    def next(self) -> int:
        """Return the number of a further change."""
        self._last += 1
        return self._last

    def moment(self) -> Moment:
        """Return the present moment."""
        return Moment(self._last, self._clock.now)


_NEVER = Moment()
LOOKUP: ContextVar[Moment] = ContextVar("lookup", default=_NEVER)
"""The moment of the last table lookup of the running batch."""


class RecordingLedger(FakeLedger):
    """Records which deliveries are known, changed and claimed, and which events are withdrawn."""

    def __init__(self, changes: ChangeCounter) -> None:
        super().__init__()
        self.known: dict[str, NewEntry] = {}
        self.changed: dict[str, str] = {}
        self.claimed_at: dict[str, int] = {}
        self.digested_at: dict[str, int] = {}
        self.withdrawn_at: dict[str, int] = {}
        self._changes = changes

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        for new_entry in new_entries:
            self.known.setdefault(new_entry.delivery, new_entry)
            self.changed[new_entry.delivery] = new_entry.event
        return await super().open(heads, new_entries)

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        results = await super().transition(transitions)
        for transition, result in zip(transitions, results, strict=True):
            self.changed[transition.delivery] = transition.event
            if result.applied and transition.to is State.sending:
                self.claimed_at[transition.delivery] = self._changes.next()
            if result.applied and transition.to is State.digested:
                self.digested_at[transition.delivery] = self._changes.next()
        return results

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        self.withdrawn_at.setdefault(event, self._changes.next())
        await super().withdraw(event, at_ms, keep_s)

    def event(self, key: str) -> Event:
        """Return the event that was opened under this key."""
        head = self._events[key].head
        assert head is not None
        return head.event

    def state_and_owner(self, new_entry: NewEntry) -> tuple[State, str]:
        """Return the current state of a delivery, and the owner of its last claim."""
        row = self._events[new_entry.event].rows[new_entry.delivery]
        return row.entry.state, row.owner

    def claims(self, worker: str) -> list[str]:
        """Return the deliveries that a worker has claimed and not settled."""
        current = {d: self.state_and_owner(new_entry) for d, new_entry in self.known.items()}
        return [d for d, (s, o) in current.items() if s is State.sending and o.partition("+")[0] == worker]

    def check_changed(self) -> None:
        """Raise AssertionError where the history of a changed delivery has a transition that is not allowed."""
        for delivery, event in self.changed.items():
            row = self._events[event].rows.get(delivery)
            states = [step.state for step in row.entry.steps][::-1] if row else []
            for before, after in zip([None, *states], states, strict=False):
                assert after in TRANSITIONS[before], f"{delivery} went from {before} to {after}"
        self.changed.clear()


class RecordingTables(FakeTables):
    """Records the moment of each batch's lookup, and since when an address is suppressed."""

    def __init__(self, changes: ChangeCounter) -> None:
        super().__init__()
        self.suppressed_at: dict[str, tuple[int, Suppression]] = {}
        self._changes = changes

    async def lookup(self, keys: LookupKeys) -> Rows:
        LOOKUP.set(self._changes.moment())
        return await super().lookup(keys)

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        put = await super().put_suppression(key, row)
        if put:
            self.suppressed_at[key] = self._changes.next(), row
        return put

    async def delete_suppression(self, key: str, version: int) -> bool:
        self.suppressed_at.pop(key, None)
        return await super().delete_suppression(key, version)


class RecordingSupersede(FakeSupersedeIndex):
    """Records since when an event has been the newest of its supersede key."""

    def __init__(self, changes: ChangeCounter) -> None:
        super().__init__()
        self.newest_at: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self._changes = changes

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        newest = await super().supersede(items)
        for (key, _, _), event in zip(items, newest, strict=True):
            self.newest_at[key].append((self._changes.next(), event))
        return newest


class RecordingDueSet(FakeDueSet):
    """Records when each delivery is attempted again at the earliest (ms). One that is held may go before its time."""

    def __init__(self) -> None:
        super().__init__()
        self.next_attempt_ms: dict[str, int] = {}

    async def add(
        self,
        deliveries: Sequence[Delivery],
        due_ms: Sequence[int],
        states: Sequence[State] = (),
        reasons: Sequence[Reason] = (),
    ) -> None:
        await super().add(deliveries, due_ms, states, reasons)
        for delivery, at_ms in zip(deliveries, due_ms, strict=True):
            held = self._waiting[delivery.id].state is State.held
            self.next_attempt_ms[delivery.id] = 0 if held else at_ms
