"""Spec of the LedgerRestore port."""

import asyncio
import random

import pytest

from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.ledger import Entry, HistoryStep, NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.restored_history import LoggedDelivery
from service.ports import MANY, EventHead
from tests.specs.backend import Backend

E1, E2 = event_key("src", "1"), event_key("src", "2")
QUEUED = HistoryStep(State.queued, Reason.none, 10, 0, "on by default")
DEFERRED = HistoryStep(State.deferred, Reason.greylisted, 30, 1, "relay1 450 4.7.1 later")
SENT = HistoryStep(State.sent, Reason.none, 50, 2, "relay1 250 ok")


def head(key: str, *, deliveries: int = 0) -> EventHead:
    return EventHead(Event(key, "id", "src", "overbid", 1, 2, {}), 3600, deliveries)


def logged(event: str, recipient: str, *steps: HistoryStep) -> LoggedDelivery:
    delivery = delivery_id(event, recipient, "email")
    return LoggedDelivery(event, delivery, recipient, "email", "group", "12345/", 5, steps)


def states(entry: Entry | None) -> list[State]:
    assert entry is not None
    return [step.state for step in reversed(entry.steps)]


@pytest.mark.parametrize("deliveries", [0, MANY])
async def test_steps_are_put_where_they_belong(backend: Backend, deliveries: int) -> None:
    """`sent` comes first, its opening last; the row is the same as in their order, and has the recipient's line."""
    (first,) = await backend.restore.restore([head(E1, deliveries=deliveries)], [logged(E1, "alice", SENT)])
    assert states(first) == [State.queued, State.sending, State.sent]
    await backend.restore.restore([], [logged(E1, "alice", DEFERRED)])
    (last,) = await backend.restore.restore([], [logged(E1, "alice", QUEUED)])
    assert last is not None
    assert [step for step in last.steps if step.state is not State.sending] == [SENT, DEFERRED, QUEUED]
    assert (last.recipient, last.channel, last.rule, last.matched) == ("alice", "email", "group", "12345/")
    stored = await backend.ledger.entry(E1, last.delivery)
    assert stored == last
    assert await backend.ledger.recipient_entries("alice") == [(E1, last.delivery)]


async def test_a_row_that_is_there_keeps_what_the_log_lacks(backend: Backend) -> None:
    """Claims, and what it says of the recipient; what the row has already is not repeated."""
    one = logged(E1, "alice", QUEUED, DEFERRED)
    await backend.ledger.open(
        [head(E1)],
        [
            NewEntry(
                E1,
                one.delivery,
                "alice",
                "email",
                State.queued,
                Reason.none,
                10,
                "on by default",
                "role",
                "user",
            )
        ],
    )
    claim = Transition(E1, one.delivery, State.sending, Reason.none, 20, 1, owner="worker1")
    await backend.ledger.transition([claim])
    (entry,) = await backend.restore.restore([], [one])
    assert entry is not None
    assert entry.steps == (DEFERRED, HistoryStep(State.sending, Reason.none, 20, 1), QUEUED)
    assert (entry.rule, entry.matched) == ("role", "user")


async def test_an_event_whose_retention_is_over_does_not_come_back(backend: Backend) -> None:
    """Without a head, nothing is entered, and nothing is kept."""
    assert await backend.restore.restore([], [logged(E2, "alice", SENT)]) == [None]
    assert await backend.restore.restored([(E2, logged(E2, "alice").delivery)]) == [None]
    assert [entry async for entry in backend.ledger.entries(E2)] == []


async def test_a_repeated_step_waits_for_what_makes_sense_of_it(backend: Backend) -> None:
    """The second `expired` belongs behind a replay that comes later; until then it changes nothing."""
    expired = HistoryStep(State.expired, Reason.past_deadline, 20)
    again = HistoryStep(State.expired, Reason.past_deadline, 40)
    (before,) = await backend.restore.restore([head(E1)], [logged(E1, "alice", QUEUED, expired, again)])
    assert states(before) == [State.queued, State.expired]
    replayed = HistoryStep(State.queued, Reason.replayed, 30)
    (after,) = await backend.restore.restore([], [logged(E1, "alice", replayed)])
    assert states(after) == [State.queued, State.expired, State.queued, State.expired]


async def test_restores_at_the_same_time_lose_no_step(backend: Backend) -> None:
    """Two rebuilds write the same rows; each of 150 deliveries has all of its steps in the end."""
    rng, names = random.Random(1), [f"r{n}" for n in range(150)]
    parts = [(name, step) for name in names for step in (QUEUED, DEFERRED, SENT)]
    rng.shuffle(parts)
    await backend.ledger.open([head(E1, deliveries=MANY), head(E2)], [])

    async def run(part: int) -> None:
        for name, step in parts[part::3]:
            await backend.restore.restore([], [logged(event, name, step) for event in (E1, E2)])

    await asyncio.gather(*map(run, range(3)))
    for event in (E1, E2):
        entries = await backend.restore.restored([(event, logged(event, name).delivery) for name in names])
        for entry in entries:
            assert entry is not None
            assert [s for s in entry.steps if s.state is not State.sending] == [SENT, DEFERRED, QUEUED]


async def test_a_long_history_stays_bounded(backend: Backend) -> None:
    """A row keeps its newest steps and its very first one, whatever is restored."""
    steps = [HistoryStep(State.deferred, Reason.temporary, 100 + n, n, "x" * 250) for n in range(1, 60)]
    await backend.restore.restore([head(E1)], [logged(E1, "alice", QUEUED)])
    await backend.restore.restore([], [logged(E1, "alice", *steps)])
    entry = await backend.ledger.entry(E1, logged(E1, "alice").delivery)
    assert entry is not None
    assert (entry.steps[0], entry.steps[-1]) == (steps[-1], QUEUED)
