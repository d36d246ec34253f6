"""What is watched while the world runs: the rules of the ledger, and who may be mailed when."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextvars import ContextVar
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ids import address_key
from service.model.ledger import TRANSITIONS, NewEntry, State, Transition, TransitionResult
from service.model.mail import OutgoingMail
from service.model.suppression import Suppression
from service.ports import EventHead, LookupKeys, Rows
from tests.fakes.clock import FakeClock
from tests.fakes.due import FakeDueSet
from tests.fakes.ledger import FakeLedger
from tests.fakes.supersede_index import FakeSupersedeIndex
from tests.fakes.tables import FakeTables
from tests.simulation.worker import Process


class Moment(NamedTuple):
    """A place in the order of changes, and its time."""

    tick: int = -1
    at_ms: int = 0


class Ticks:
    """Numbers changes, so that a look can be said to come before or after one."""

    def __init__(self, clock: FakeClock) -> None:
        self.now = 0
        self._clock = clock

    def next(self) -> int:
        """The number of one more change."""
        self.now += 1
        return self.now

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.now, self._clock.now)


_NEVER = Moment()
LOOKED: ContextVar[Moment] = ContextVar("looked", default=_NEVER)
"""When the running batch looked at the tables last."""


class WatchedLedger(FakeLedger):
    """Remembers what was entered, touched, claimed and withdrawn, beside what the fake does."""

    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self.known: dict[str, NewEntry] = {}
        self.touched: dict[str, str] = {}
        self.claimed_at: dict[str, int] = {}
        self.withdrawn_at: dict[str, int] = {}
        self._ticks = ticks

    async def open(self, heads: Sequence[EventHead], new_entries: Sequence[NewEntry]) -> Sequence[State]:
        for new_entry in new_entries:
            self.known.setdefault(new_entry.delivery, new_entry)
            self.touched[new_entry.delivery] = new_entry.event
        return await super().open(heads, new_entries)

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        results = await super().transition(transitions)
        for transition, result in zip(transitions, results, strict=True):
            self.touched[transition.delivery] = transition.event
            if result.applied and transition.to is State.sending:
                self.claimed_at[transition.delivery] = self._ticks.next()
        return results

    async def withdraw(self, event: str, at_ms: int, keep_s: int) -> None:
        self.withdrawn_at.setdefault(event, self._ticks.next())
        await super().withdraw(event, at_ms, keep_s)

    def event(self, key: str) -> Event:
        """What was opened under this key."""
        head = self._events[key].head
        assert head is not None
        return head.event

    def standing(self, new_entry: NewEntry) -> tuple[State, str]:
        """Where a delivery stands, and who has claimed it."""
        row = self._events[new_entry.event].rows[new_entry.delivery]
        return row.entry.state, row.owner

    def claims(self, owner: str) -> list[str]:
        """What this worker has claimed and not answered for."""
        standing = {d: self.standing(new_entry) for d, new_entry in self.known.items()}
        return [d for d, (s, o) in standing.items() if s is State.sending and o.partition("+")[0] == owner]

    def check_touched(self) -> None:
        """Every step of what has changed may follow the one before it."""
        for delivery, event in self.touched.items():
            row = self._events[event].rows.get(delivery)
            states = [step.state for step in row.entry.steps][::-1] if row else []
            for before, after in zip([None, *states], states, strict=False):
                assert after in TRANSITIONS[before], f"{delivery} went from {before} to {after}"
        self.touched.clear()


class WatchedTables(FakeTables):
    """Tells each batch how old its view of the tables is, and remembers since when an address is barred."""

    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self.barred: dict[str, tuple[int, Suppression]] = {}
        self._ticks = ticks

    async def lookup(self, wanted: LookupKeys) -> Rows:
        LOOKED.set(self._ticks.moment())
        return await super().lookup(wanted)

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        put = await super().put_suppression(key, row)
        if put:
            self.barred[key] = self._ticks.next(), row
        return put

    async def delete_suppression(self, key: str, version: int) -> bool:
        self.barred.pop(key, None)
        return await super().delete_suppression(key, version)


class WatchedSupersedes(FakeSupersedeIndex):
    """Remembers since when an event has been the newest of its key."""

    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self.since: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self._ticks = ticks

    async def supersede(self, items: Sequence[tuple[str, str, int]]) -> Sequence[str]:
        newest = await super().supersede(items)
        for (key, _, _), event in zip(items, newest, strict=True):
            self.since[key].append((self._ticks.next(), event))
        return newest


class WatchedDueSet(FakeDueSet):
    """Remembers which time each delivery was last put off to (ms)."""

    def __init__(self) -> None:
        super().__init__()
        self.put_off: dict[str, int] = {}

    async def add(
        self, deliveries: Sequence[Delivery], due_ms: Sequence[int], states: Sequence[State] = ()
    ) -> None:
        await super().add(deliveries, due_ms, states)
        self.put_off.update(zip((delivery.id for delivery in deliveries), due_ms, strict=True))


class Rules:
    """Judges each mail at the moment it is handed to a relay."""

    def __init__(
        self,
        ticks: Ticks,
        ledger: WatchedLedger,
        tables: WatchedTables,
        supersedes: WatchedSupersedes,
        due: WatchedDueSet,
    ) -> None:
        self._ticks = ticks
        self._ledger = ledger
        self._tables = tables
        self._supersedes = supersedes
        self._due = due
        self._off: dict[tuple[str, str], int] = {}
        self._addresses: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self.crashes: Counter[str] = Counter()

    def switched(self, recipient: str, type_name: str, on: bool) -> None:
        """A preference was set, and from now on holds."""
        if on:
            self._off.pop((recipient, type_name), None)
        else:
            self._off.setdefault((recipient, type_name), self._ticks.next())

    def moved_to(self, recipient: str, address: str) -> None:
        """An address was changed."""
        self._addresses[recipient].append((self._ticks.next(), address))

    def died(self, process: Process) -> None:
        """What it had claimed may be sent once more."""
        self.crashes.update(self._ledger.claims(process.owner))

    def judge(self, mail: OutgoingMail, process: Process) -> None:
        """Raises AssertionError for a mail that must not go out."""
        new_entry = self._ledger.known[mail.delivery_id]
        event, looked = self._ledger.event(new_entry.event), LOOKED.get()
        name = f"{event.type} {event.id} to {new_entry.recipient}"
        standing = self._ledger.standing(new_entry)
        mine = (standing[0], standing[1].partition("+")[0]) == (State.sending, process.owner)
        assert mine, f"{name} was mailed though it is {standing}"
        withdrawn = self._ledger.withdrawn_at.get(new_entry.event)
        late = withdrawn is not None and withdrawn < self._ledger.claimed_at[mail.delivery_id]
        assert not late, f"{name} was mailed after it was withdrawn"
        expired = event.expires_ms is not None and event.expires_ms <= looked.at_ms
        assert not expired, f"{name} was mailed after its deadline"
        early = self._due.put_off.get(mail.delivery_id, 0) - self._ticks.moment().at_ms
        assert early <= 0, f"{name} was tried {early} ms before its time"
        known = [address for at, address in self._addresses[new_entry.recipient] if at <= looked.tick]
        assert not known or known[-1] == mail.recipient, f"{name} was mailed to an old address"
        key = f"{event.type}|{event.data.get('lot_id')}|{new_entry.recipient}"
        newest = [found for at, found in self._supersedes.since.get(key, ()) if at <= looked.tick]
        assert not newest or newest[-1] == event.key, f"{name} was mailed after a newer one"
        if event.type != "reset_password":
            self._judge_wishes(mail, event, new_entry, looked)

    def _judge_wishes(self, mail: OutgoingMail, event: Event, new_entry: NewEntry, looked: Moment) -> None:
        name = f"{event.type} {event.id} to {new_entry.recipient}"
        off = self._off.get((new_entry.recipient, event.type))
        assert off is None or off > looked.tick, f"{name} was mailed after its preference was switched off"
        at, row = self._tables.barred.get(address_key(mail.recipient), (looked.tick + 1, None))
        barred = at <= looked.tick and row is not None and row.in_force(looked.at_ms)
        assert not barred, f"{name} was mailed though its address is suppressed"
