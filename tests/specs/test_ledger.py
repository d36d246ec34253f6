"""Spec of the Ledger and LedgerIndex ports."""

from collections.abc import Sequence
from itertools import product

import pytest

from service.model.event import Event
from service.model.ids import delivery_id, event_key
from service.model.ledger import (
    REPLAY_TRANSITIONS,
    TRANSITIONS,
    UNCLAIMED,
    Entry,
    HistoryStep,
    NewEntry,
    State,
    Transition,
)
from service.model.reasons import Reason
from service.ports import MANY, EventHead, EventPosition
from tests.specs.backend import Backend

E1, E2 = event_key("src", "1"), event_key("src", "2")
SIZES = [0, 1000, MANY]


def head(key: str, *, deliveries: int = 0) -> EventHead:
    event = Event(key, "id", "src", "overbid", 1, 2, {"lot_id": "9"}, recipients=("a", "b"), actor="eve")
    return EventHead(event, 3600, deliveries, EventPosition("events", 0, 7))


def new_entry(
    event: str, recipient: str, state: State = State.queued, reason: Reason = Reason.none
) -> NewEntry:
    return NewEntry(event, delivery_id(event, recipient, "email"), recipient, "email", state, reason, 10)


def transition(opened: NewEntry, to: State, at_ms: int = 20, owner: str = "", **more: object) -> Transition:
    return Transition(opened.event, opened.delivery, to, Reason.none, at_ms, owner=owner, **more)  # type: ignore[arg-type]


async def entry(backend: Backend, opened: NewEntry) -> Entry:
    stored = await backend.ledger.entry(opened.event, opened.delivery)
    assert stored is not None
    unknown = delivery_id(opened.event, "nobody", "email")
    steps = await backend.ledger.newest_steps([(opened.event, opened.delivery), (opened.event, unknown)])
    assert list(steps) == [stored.newest_step, None]
    return stored


async def states(backend: Backend, new_entries: Sequence[NewEntry]) -> list[State]:
    return [(await entry(backend, one)).state for one in new_entries]


async def test_open_enters_once(backend: Backend) -> None:
    """A delivery enters once; entered again it stays as it is, and its current state is returned."""
    alice, bob = new_entry(E1, "alice"), new_entry(E1, "bob", State.skipped, Reason.preference_off)

    assert await backend.ledger.open([head(E1)], [alice, bob]) == [State.queued, State.skipped]
    await backend.ledger.transition([transition(alice, State.sending), transition(alice, State.sent, 30)])
    assert await backend.ledger.open([head(E1)], [bob, alice]) == [State.skipped, State.sent]
    assert await entry(backend, bob) == Entry(
        E1, bob.delivery, "bob", "email", (HistoryStep(State.skipped, Reason.preference_off, 10),)
    )


async def test_history_is_newest_first(backend: Backend) -> None:
    """An entry has every step with its reason, time, attempt and detail, the newest first."""
    alice = NewEntry(
        E1, delivery_id(E1, "a", "email"), "a", "email", State.queued, Reason.none, 1, "by\trule\nuser"
    )
    await backend.ledger.open([head(E1)], [alice])
    await backend.ledger.transition(
        [
            Transition(E1, alice.delivery, State.sending, Reason.none, 2, 1, owner="w1"),
            Transition(
                E1, alice.delivery, State.deferred, Reason.greylisted, 3, 1, "relay1 450 4.7.1 try\r\nlater"
            ),
        ]
    )

    assert (await entry(backend, alice)).steps == (
        HistoryStep(State.deferred, Reason.greylisted, 3, 1, "relay1 450 4.7.1 try later"),
        HistoryStep(State.sending, Reason.none, 2, 1),
        HistoryStep(State.queued, Reason.none, 1, 0, "by rule user"),
    )


async def test_a_transition_that_is_not_allowed_changes_nothing(backend: Backend) -> None:
    """Only transitions of the table are made; otherwise the current state is returned."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])

    ambiguous, unknown = await backend.ledger.transition(
        [transition(alice, State.ambiguous), transition(new_entry(E2, "alice"), State.sending)]
    )

    assert (ambiguous.applied, ambiguous.state) == (False, State.queued)
    assert (unknown.applied, unknown.state) == (False, None)
    assert len((await entry(backend, alice)).steps) == 1


def shortest_paths() -> dict[State, list[State]]:
    """Return for each state the shortest path to it, its first state included."""
    paths = {state: [state] for state in sorted(TRANSITIONS[None])}
    todo = list(paths)
    for state in todo:
        for to in sorted(TRANSITIONS[state] - paths.keys()):
            paths[to] = [*paths[state], to]
            todo.append(to)
    return paths


async def test_every_pair_of_states_follows_the_model(backend: Backend) -> None:
    """From each state to each other, the ledger makes a transition exactly when the model allows it."""
    applied = {}
    for state, (first, *rest) in shortest_paths().items():
        for to in State:
            one = new_entry(E1, f"{state}>{to}", first)
            await backend.ledger.open([head(E1)], [one])
            await backend.ledger.transition(
                [transition(one, step, at) for at, step in enumerate(rest, start=11)]
            )
            (result,) = await backend.ledger.transition([transition(one, to, 99)])
            applied[state, to] = result.applied

    assert applied == {(state, to): to in TRANSITIONS[state] for state in State for to in State}


async def test_one_claim_wins(backend: Backend) -> None:
    """Of two claims the second gets the first one's owner; the same claim again gets its own owner."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    claim = transition(alice, State.sending, owner="w1", attempt=2)

    first, again, other = await backend.ledger.transition(
        [claim, claim, transition(alice, State.sending, owner="w2")]
    )

    assert (first.applied, first.state, first.owner, first.attempt) == (True, State.sending, "w1", 2)
    assert (again.applied, again.state, again.owner, again.attempt) == (False, State.sending, "w1", 2)
    assert (other.applied, other.owner) == (False, "w1")


@pytest.mark.parametrize("deliveries", SIZES)
async def test_the_current_state_is_read_with_its_owner_and_attempt(
    backend: Backend, deliveries: int
) -> None:
    """In the order of the request; a delivery that does not exist has no state."""
    alice, bob, carol = (new_entry(E1, name) for name in ("alice", "bob", "carol"))
    await backend.ledger.open([head(E1, deliveries=deliveries)], [alice, bob])
    await backend.ledger.transition([transition(bob, State.sending, owner="w1", attempt=3)])

    current = await backend.ledger.current([(E1, one.delivery) for one in (carol, bob, alice)])

    assert [(one.state, one.owner, one.attempt) for one in current] == [
        (None, "", 0),
        (State.sending, "w1", 3),
        (State.queued, "", 0),
    ]
    assert not any(one.applied for one in current)
    assert await backend.ledger.current([]) == []


async def test_a_claim_is_ended_by_its_owner_only(backend: Backend) -> None:
    """The result of a worker whose claim was taken over changes nothing, whatever the other one has done since."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    await backend.ledger.transition([transition(alice, State.sending, owner="w1", attempt=1)])
    ends = {
        owner: transition(alice, State.queued, attempt=0, held_by=owner) for owner in ("w1", "w2", UNCLAIMED)
    }

    (other, unclaimed) = await backend.ledger.transition([ends["w2"], ends[UNCLAIMED]])
    assert (other.applied, other.state, other.owner) == (False, State.sending, "w1")
    assert not unclaimed.applied
    await backend.ledger.transition([transition(alice, State.deferred, 21, attempt=1, held_by="w1")])
    (late,) = await backend.ledger.transition([ends["w1"]])
    assert (late.applied, late.state) == (False, State.deferred)


async def test_an_unclaimed_delivery_notes_why_it_is_not_sent(backend: Backend) -> None:
    """It stays `queued`, with a reason; one that was claimed meanwhile is left alone."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    note = Transition(
        E1, alice.delivery, State.queued, Reason.relay_unavailable, 20, held_by=UNCLAIMED, detail="relay1"
    )

    (noted,) = await backend.ledger.transition([note])

    assert noted.applied
    assert (await entry(backend, alice)).newest_step.reason is Reason.relay_unavailable


async def test_the_same_transition_twice_is_one_step(backend: Backend) -> None:
    """A batch that is sent twice counts as made, and leaves one step."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    again = Transition(E1, alice.delivery, State.deferred, Reason.greylisted, 5, 1)

    results = await backend.ledger.transition([again, again])

    assert [result.applied for result in results] == [True, True]
    assert len((await entry(backend, alice)).steps) == 2


@pytest.mark.parametrize("waits", [State.deferred, State.ambiguous])
async def test_a_waiting_delivery_is_claimed_as_its_next_attempt_only(backend: Backend, waits: State) -> None:
    """A claim by a record of another attempt is refused; one without an owner only records what happened."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    await backend.ledger.transition(
        [transition(alice, State.sending, owner="w1", attempt=1), transition(alice, waits, attempt=1)]
    )

    early, later = [transition(alice, State.sending, owner="w1", attempt=n) for n in (1, 3)]
    for refused in await backend.ledger.transition([early, later]):
        assert (refused.applied, refused.state, refused.attempt) == (False, waits, 1)
    recorded, _ = await backend.ledger.transition(
        [early._replace(owner=""), transition(alice, waits, 21, attempt=1)]
    )
    (claimed,) = await backend.ledger.transition([transition(alice, State.sending, owner="w1", attempt=2)])
    assert (recorded.applied, claimed.applied) == (True, True)


async def test_a_withdrawn_event_is_not_sent(backend: Backend) -> None:
    """After a withdrawal a claim is refused and the delivery becomes `withdrawn`; a sent delivery stays `sent`."""
    alice, bob = new_entry(E1, "alice"), new_entry(E1, "bob")
    await backend.ledger.open([head(E1)], [alice, bob])
    await backend.ledger.transition([transition(bob, State.sending), transition(bob, State.sent)])
    await backend.ledger.withdraw(E1, 15, 60)

    (refused,) = await backend.ledger.transition([transition(alice, State.sending, owner="w1", attempt=1)])

    assert (refused.applied, refused.state, refused.owner) == (False, State.withdrawn, "")
    assert (await entry(backend, alice)).steps[0] == HistoryStep(
        State.withdrawn, Reason.withdrawn_by_source, 20, 1
    )
    assert await states(backend, [bob]) == [State.sent]


async def test_a_withdrawal_may_come_first(backend: Backend) -> None:
    """Deliveries of an event that was withdrawn before it came enter as `withdrawn`, unless in a final state."""
    await backend.ledger.withdraw(E1, 5, 60)
    alice, bob = new_entry(E1, "alice"), new_entry(E1, "bob", State.skipped, Reason.own_action)

    assert await backend.ledger.open([head(E1)], [alice, bob]) == [State.withdrawn, State.skipped]
    assert (await entry(backend, alice)).steps == (
        HistoryStep(State.withdrawn, Reason.withdrawn_by_source, 10),
    )
    kept = await backend.ledger.head(E1)
    assert kept is not None
    assert (kept["withdrawn_ms"], kept["type"]) == (5, "overbid")


async def test_a_withdrawal_kept_for_no_time_marks_only_stored_events(backend: Backend) -> None:
    """A rebuild marks events that are still in the ledger, and creates nothing for those that have left it."""
    await backend.ledger.open([head(E1)], [])
    for event in (E1, E2):
        await backend.ledger.withdraw(event, 5, 0)

    marked = [(await backend.ledger.head(event) or {}).get("withdrawn_ms") for event in (E1, E2)]
    assert marked == [5, None]


async def test_the_head_has_the_fields_for_explain(backend: Backend) -> None:
    """The head has the event's attributes and position, not its data; the first one is kept."""
    await backend.ledger.open([head(E1)], [])
    await backend.ledger.open([EventHead(head(E1).event, 1, position=EventPosition("elsewhere", 0, 0))], [])

    assert await backend.ledger.head(E1) == {
        "key": E1,
        "type": "overbid",
        "source": "src",
        "id": "id",
        "time_ms": 1,
        "received_ms": 2,
        "actor": "eve",
        "recipients": 2,
        "position": "events:0:7",
    }
    assert await backend.ledger.head(E2) is None


@pytest.mark.parametrize("deliveries", SIZES)
async def test_entries_are_all_of_an_event(backend: Backend, deliveries: int) -> None:
    """Every delivery of an event is listed once, however wide it is said to be, and in chunks or not."""
    new_entries = [new_entry(E1, f"r{n}") for n in range(1203)]
    await backend.ledger.open([head(E1, deliveries=deliveries)], new_entries[:700])
    await backend.ledger.open(
        [head(E1, deliveries=1000 - deliveries)], new_entries[700:]
    )  # the first head decides
    await backend.ledger.open([head(E2)], [new_entry(E2, "other")])
    results = await backend.ledger.transition([transition(one, State.sending) for one in new_entries])

    listed = [one async for one in backend.ledger.entries(E1)]

    assert all(result.applied for result in results)
    assert sorted(one.delivery for one in listed) == sorted(one.delivery for one in new_entries)
    assert {one.state for one in listed} == {State.sending}
    assert (await entry(backend, new_entries[-1])).recipient == "r1202"
    assert [one async for one in backend.ledger.entries(event_key("src", "3"))] == []


async def test_a_long_history_is_bounded(backend: Backend) -> None:
    """After many deferrals the newest steps and the first one are kept."""
    alice = new_entry(E1, "alice")
    await backend.ledger.open([head(E1)], [alice])
    for n in range(300):
        await backend.ledger.transition(
            [Transition(E1, alice.delivery, State.deferred, Reason.temporary, n, n, "450 " * 60)]
        )

    steps = (await entry(backend, alice)).steps

    assert (steps[0].attempt, steps[1].attempt) == (299, 298)
    assert steps[-1] == HistoryStep(State.queued, Reason.none, 10)
    assert len(steps) < 100


async def test_recipient_index_is_newest_first(backend: Backend) -> None:
    """A recipient's deliveries of all events come newest first, since a time, each once."""
    early = new_entry(E1, "odd {id}")
    late = new_entry(E2, "odd {id}")._replace(at_ms=20)
    await backend.ledger.open([head(E1), head(E2)], [late, early, new_entry(E1, "another")])
    await backend.ledger.open([head(E1)], [early._replace(at_ms=99)])

    newest, oldest = (E2, late.delivery), (E1, early.delivery)
    assert await backend.ledger.recipient_entries("odd {id}") == [newest, oldest]
    assert await backend.ledger.recipient_entries("odd {id}", since_ms=11) == [newest]
    assert await backend.ledger.recipient_entries("odd {id}", limit=1) == [newest]
    assert await backend.ledger.recipient_entries("unknown") == []


async def test_empty_batches(backend: Backend) -> None:
    """An empty batch returns an empty list."""
    assert await backend.ledger.open([], []) == []
    assert await backend.ledger.transition([]) == []


async def test_events_are_indexed_by_event_id(backend: Backend) -> None:
    """An event id has one event key a source; an unknown id has none."""
    heads = [
        EventHead(Event(event_key(source, "{1}"), "{1}", source, "t", 0, 0, {}), 60)
        for source in ("/a", "/b")
    ]
    await backend.ledger.open(heads, [])
    await backend.ledger.open(heads[:1], [])

    assert list(await backend.ledger.named("{1}")) == sorted(head.event.key for head in heads)
    assert list(await backend.ledger.named("other")) == []


async def test_the_rule_that_matched_a_recipient_is_kept(backend: Backend) -> None:
    """The ledger keeps the rule and the row that it matched, with any characters in its name."""
    one = new_entry(E1, "r")._replace(rule="group", matched="12\t|x\n")
    await backend.ledger.open([], [one])

    kept = await entry(backend, one)
    assert (kept.rule, kept.matched) == ("group", "12\t|x\n")


async def test_an_operators_transition_has_its_own_table(backend: Backend) -> None:
    """From each state, each kind goes to `queued` or `held` where its own table says so, and nowhere else."""
    cases = product(State, REPLAY_TRANSITIONS, (State.queued, State.held))
    for number, (state, kind, wanted) in enumerate(cases):
        one = new_entry(E1, f"r{number}")
        await backend.ledger.open([head(E1)], [one])
        for to in _path_to(state):
            await backend.ledger.transition([transition(one, to)])
        assert await states(backend, [one]) == [state]

        (result,) = await backend.ledger.transition([transition(one, wanted, 30, replay=kind)])

        allowed = wanted in REPLAY_TRANSITIONS[kind].get(state, ())
        assert (result.applied, result.state) == (allowed, wanted if allowed else state)


def _path_to(state: State) -> list[State]:
    """Return the transitions from `queued` to a state."""
    if state is State.queued:
        return []
    if state in TRANSITIONS[State.queued]:
        return [state]
    steps = [State.sending]
    if state is State.returned:
        steps.append(State.sent)
    return [*steps, *([state] if state is not State.sending else [])]


async def test_a_head_may_have_the_longest_attributes(backend: Backend) -> None:
    """Whatever an upstream may write into an event can be kept, and the rows beside it are found."""
    longest, alice = "😀" * 1024, new_entry(E1, "alice")
    event = Event(
        E1, longest, longest, longest, 1, 2, {}, external_id=longest, project_id=longest, account=longest,
        actor=longest,
    )  # fmt: skip
    await backend.ledger.open([EventHead(event, 3600, 1, EventPosition(longest, 0, 7))], [alice])
    await backend.ledger.withdraw(E1, 30, 60)

    kept = await backend.ledger.head(E1)
    assert kept is not None
    names = ("type", "source", "id", "external_id", "project_id", "account", "actor")
    assert {name: kept[name] for name in names} == dict.fromkeys(names, longest)
    assert (kept["withdrawn_ms"], kept["position"]) == (30, f"{longest}:0:7")
    assert [one.recipient async for one in backend.ledger.entries(E1)] == ["alice"]
    (result,) = await backend.ledger.transition([transition(alice, State.sending)])
    assert result.state is State.withdrawn
