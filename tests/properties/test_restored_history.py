"""Histories from the outcomes of walks through the ledger: whatever the order they come in, they are what they were."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.ledger import (
    REPLAY_TRANSITIONS,
    TRANSITIONS,
    HistoryStep,
    ReplayKind,
    State,
    check_transition,
)
from service.model.reasons import Reason
from service.model.restored_history import INSERTED, arrange

REPLAYED = frozenset(REPLAY_TRANSITIONS[ReplayKind.again])
RESULTS = (State.sent, State.deferred, State.ambiguous, State.bounced, State.held, State.expired)


def walk(rng: random.Random, length: int) -> list[HistoryStep]:
    """Return the steps of one delivery of mail, oldest first, with its claims; times rise."""
    at, attempt = 1000, 0
    steps = [HistoryStep(State.queued, Reason.none, at, detail="on by default")]

    def add(state: State, reason: Reason = Reason.none, owner: str = "") -> None:
        steps.append(
            HistoryStep(state, reason, at, 0 if reason is Reason.bounce_received else attempt, "", owner)
        )

    for _ in range(length):
        at += rng.randint(1, 50)
        state = steps[-1].state
        if state in {State.queued, State.deferred, State.ambiguous} and rng.random() < 0.8:
            attempt += 1
            add(State.sending, owner=f"worker{rng.randint(1, 2)}")
            at += rng.randint(1, 50)
            add(rng.choice(RESULTS))
        elif state is State.sent and rng.random() < 0.4:
            add(State.bounced, Reason.bounce_received)
        elif state in REPLAYED and rng.random() < 0.7:
            attempt = steps[-1].attempt
            add(State.queued, Reason.replayed)
        elif ends := sorted(TRANSITIONS[state] & {State.withdrawn, State.suppressed, State.superseded}):
            add(rng.choice(ends))
    return steps


def outcomes_of(steps: Sequence[HistoryStep], rng: random.Random) -> list[HistoryStep]:
    """Return the steps that have outcomes, some of them twice, some openings again by a resolve that read twice."""
    published = [step for step in steps if step.state is not State.sending]
    repeated = rng.sample(published, rng.randint(0, len(published)))
    late = [replace(steps[0], at_ms=steps[0].at_ms + rng.randint(1, 5000)) for _ in range(rng.randint(0, 2))]
    return [*published, *repeated, *late]


def without_claims(steps: Sequence[HistoryStep]) -> list[HistoryStep]:
    """Return the steps but the claims, oldest first."""
    return [step for step in reversed(steps) if step.state is not State.sending]


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 8), cuts=st.integers(1, 6))
def test_every_order_gives_the_history_that_was(seed: int, length: int, cuts: int) -> None:
    """In one part or in several, from nothing or from the beginning of the row, in any order and with repeats."""
    rng = random.Random(seed)
    steps = walk(rng, length)
    published = [step for step in steps if step.state is not State.sending]
    logged = outcomes_of(steps, rng)
    rng.shuffle(logged)
    kept: list[HistoryStep] = list(steps[: rng.randint(0, len(steps))])
    left: tuple[HistoryStep, ...] = ()
    for part in range(cuts):
        history = arrange([*logged[part::cuts], *left, *kept], since_ms=999)
        kept, left = list(history.steps), history.left_over
    assert without_claims(kept) == published
    assert kept[0].detail == published[-1].detail
    assert all(step.reason is Reason.none and step.at_ms >= 1000 for step in left)


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 8))
def test_clocks_that_differ_change_no_final_state(seed: int, length: int) -> None:
    """Each worker's clock is wrong by up to 40 ms; without replays only one order is allowed, and it is found."""
    rng = random.Random(seed)
    steps = [step for step in walk(rng, length) if step.state is not State.sending]
    first_replay = next((i for i, s in enumerate(steps) if s.reason is Reason.replayed), len(steps))
    steps = steps[:first_replay]
    skewed = [replace(step, at_ms=step.at_ms + rng.randint(-20, 20)) for step in steps]
    rng.shuffle(skewed)
    history = arrange(skewed, since_ms=999)
    assert history.steps[0].state is steps[-1].state
    assert [s.state for s in without_claims(history.steps)] == [s.state for s in steps]


@settings(max_examples=600, deadline=None)
@given(
    st.lists(
        st.builds(
            HistoryStep,
            st.sampled_from(State),
            st.sampled_from([Reason.none, Reason.replayed, Reason.bounce_received]),
            st.integers(0, 20),
            st.integers(0, 3),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_any_steps_give_one_history_that_the_ledger_allows(
    steps: list[HistoryStep], rng: random.Random
) -> None:
    """Also of steps that make no sense; nothing is lost, and the order they come in does not matter."""
    history = arrange(steps, since_ms=5)
    shuffled = rng.sample(steps, len(steps))
    assert arrange(shuffled, since_ms=5) == history
    assert arrange([*history.steps, *history.left_over], since_ms=5).steps[0] == history.steps[0]
    before: State | None = None
    for step in reversed(history.steps):
        replayed = before is not None and (step.state, step.reason) == (State.queued, Reason.replayed)
        replay = ReplayKind.again if replayed else ReplayKind.none
        check_transition(before, step.state, replay)
        before = step.state


@pytest.mark.parametrize(
    "last", [Reason.bounce_received, Reason.expired_in_transit, Reason.complaint_received]
)
def test_what_came_back_follows_what_was_sent(last: Reason) -> None:
    """Reports name no attempt, and come in any order: first the one that cannot be judged, then the one that can."""
    full = [
        HistoryStep(State.queued, Reason.none, 1),
        HistoryStep(State.sent, Reason.none, 3, 2),
        HistoryStep(State.returned, Reason.unjudged_return, 3),
        HistoryStep(State.bounced, last, 3),
    ]
    for steps in permutations(full):
        assert without_claims(arrange(steps, since_ms=1).steps) == full


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_what_has_no_record_is_inserted(lost: int) -> None:
    """An opening, or a replay, whose outcome was lost with a worker; replaced when its record comes."""
    full = [
        HistoryStep(State.queued, Reason.none, 1),
        HistoryStep(State.bounced, Reason.mailbox_full, 3, 1),
        HistoryStep(State.queued, Reason.replayed, 4, 1),
        HistoryStep(State.sent, Reason.none, 6, 2),
    ]
    history = arrange([*full[:lost], *full[lost + 1 :]], since_ms=2)
    assert history.steps[0] == full[-1]
    again = arrange([*history.steps, *history.left_over, *full], since_ms=2)
    assert without_claims(again.steps) == full
    assert {s.owner for s in again.steps if s.state is State.sending} == {INSERTED}
