"""The pipeline in a simulated world: whatever happens in whatever order, nothing is lost and nobody is wronged.

`TOCSIN_SIMULATION_STEPS` sets the length of the random walks (default 90,000), `TOCSIN_SIMULATION_EXAMPLES` the
number of runs of the state machine (default 200, of 50 steps), `TOCSIN_SIMULATION_SEED` where both begin: fixed, so
that a change is not blamed for another's seed; `make simulate` takes ever new ones. A failure names its seed; with it
and the same PYTHONHASHSEED the run is the same.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.simulation import judge, planted
from tests.simulation.members import STAGES
from tests.simulation.relay import ANSWERS, Answer
from tests.simulation.walk import KINDS, TIMES_MS, Found, Walk
from tests.simulation.worker import Kind, Trouble
from tests.simulation.world import PEOPLE, TYPES, Spec, World

STEPS = int(os.environ.get("TOCSIN_SIMULATION_STEPS", "90000"))
EXAMPLES = int(os.environ.get("TOCSIN_SIMULATION_EXAMPLES", "200"))
SEED = int(os.environ.get("TOCSIN_SIMULATION_SEED", "20261123"))
WALK = 100
"""Steps in one world."""

SPECS = st.builds(
    Spec,
    st.sampled_from(TYPES),
    st.integers(0, 7),
    st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True).map(tuple),
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from((0, 60)),
)
PLACES = st.integers(0, 1)
STAGE = st.sampled_from(list(STAGES))
KIND = st.sampled_from(KINDS)
TROUBLE = st.none() | st.builds(Trouble, KIND, st.integers(0, 9))
ANSWER = st.builds(Answer, st.sampled_from(ANSWERS), st.sampled_from((0, 300, 30_000)))
PERSON = st.sampled_from(PEOPLE)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Workers that die by the thousand would fill the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Machine(RuleBasedStateMachine):
    """Every rule is one step of the world; hypothesis chooses them, and shrinks a run that breaks a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(spec=SPECS, place=PLACES)
    def publish(self, spec: Spec, place: int) -> None:
        self.world.publish(spec)
        self.world.work(place, "resolve")

    @rule(spec=SPECS, key=st.integers(0, 4))
    def withdraw(self, spec: Spec, key: int) -> None:
        self.world.withdraw(spec, key)

    @rule(key=st.integers(0, 3))
    def publish_invalid(self, key: int) -> None:
        self.world.publish_invalid(key)

    @rule(place=PLACES, stage=STAGE, trouble=TROUBLE)
    def work(self, place: int, stage: str, trouble: Trouble | None) -> None:
        self.world.work(place, stage, trouble)

    @rule(place=PLACES, answers=st.lists(ANSWER, max_size=3), trouble=TROUBLE)
    def mail(self, place: int, answers: list[Answer], trouble: Trouble | None) -> None:
        self.world.answers(*answers)
        self.world.work(place, "email", trouble)

    @rule(place=PLACES, stage=STAGE, kind=st.none() | KIND)
    def commit(self, place: int, stage: str, kind: Kind | None) -> None:
        self.world.commit(place, stage, kind)

    @rule(place=PLACES, trouble=TROUBLE)
    def hand_on_due(self, place: int, trouble: Trouble | None) -> None:
        self.world.hand_on_due(place, trouble)

    @rule(place=PLACES)
    def resume(self, place: int) -> None:
        self.world.resume(place)

    @rule(place=PLACES)
    def crash_and_restart(self, place: int) -> None:
        self.world.crash(place)
        self.world.restart(place)
        self.world.rebalance(0.5)

    @rule(share=st.sampled_from((0.0, 0.5, 1.0)), patience_s=st.sampled_from((0.0, 20.0)))
    def rebalance(self, share: float, patience_s: float) -> None:
        self.world.rebalance(share, patience_s)

    @rule(place=PLACES, stage=STAGE)
    def usurp(self, place: int, stage: str) -> None:
        self.world.usurp(place, stage)

    @rule(person=PERSON, type_name=st.sampled_from(TYPES), on=st.booleans())
    def prefer(self, person: str, type_name: str, on: bool) -> None:
        self.world.prefer(person, type_name, on)

    @rule(person=PERSON, number=st.integers(0, 8))
    def readdress(self, person: str, number: int) -> None:
        self.world.readdress(person, number)

    @rule(person=PERSON, on=st.booleans())
    def suppress(self, person: str, on: bool) -> None:
        self.world.suppress(person, on)

    @rule(person=PERSON)
    def read(self, person: str) -> None:
        self.world.read(person)

    @rule(ms=st.sampled_from(TIMES_MS))
    def pass_time(self, ms: int) -> None:
        self.world.pass_time(ms)

    @invariant()
    def nobody_is_wronged(self) -> None:
        judge.after_step(self.world)

    def teardown(self) -> None:
        try:
            judge.settle(self.world)
            judge.after_step(self.world)
            judge.at_rest(self.world)
        finally:
            self.world.close()


def run_machine(examples: int, first_seed: int, **options: Any) -> None:
    """Run with a profile of its own: no example is kept, and each run with the same seed is the same."""
    run_state_machine_as_test(
        seed(first_seed)(Machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


def walk(first_seed: int, steps: int) -> None:
    """So many steps, in one world after the other."""
    for one in range(first_seed, first_seed + steps // WALK):
        Walk(one).run(WALK)


@pytest.mark.timeout(1800)
def test_no_order_of_events_breaks_a_rule() -> None:
    """The state machine finds no run that loses, doubles, wrongs, or leaves a delivery open."""
    print(f"TOCSIN_SIMULATION_SEED={SEED}")
    run_machine(EXAMPLES, SEED, print_blob=True)


@pytest.mark.timeout(3600)
def test_no_long_walk_breaks_a_rule() -> None:
    """Nor do many more steps, chosen by plain chance."""
    walk(SEED, STEPS)


@pytest.mark.parametrize(
    ("fault", "first_seed"), [(planted.off_by_one_commit, 1), (planted.lost_mark, 2)], ids=["commit", "mark"]
)
def test_a_planted_fault_is_found_by_the_machine(
    fault: Callable[[], AbstractContextManager[Any]], first_seed: int
) -> None:
    """A commit past an unfinished record, a lost mark: the machine turns red. The seeds are quick ones, no more."""
    with fault(), pytest.raises(AssertionError):
        run_machine(2000, first_seed, phases=[Phase.generate], report_multiple_bugs=False)


@pytest.mark.parametrize("fault", planted.FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_by_the_walk(fault: Callable[[], AbstractContextManager[Any]]) -> None:
    """These, a second sender and a stale look turn the walk red, and it names its seed."""
    with fault(), pytest.raises(Found, match=r"seed \d+: "):
        walk(1, 30_000)


def test_a_claim_left_by_a_cancelled_batch_is_taken_over() -> None:
    """A batch that is cancelled at a rebalance, since its relay was slow, leaves no delivery `sending` for ever."""
    world = World()
    world.rebalance(1.0)
    world.publish(Spec("reset_password", 1, ("alice",)))
    world.work(0, "resolve")
    world.answers(Answer("200", 60_000))
    world.work(0, "email")
    world.rebalance(0.0)
    world.pass_time(3_600_000)

    try:
        judge.settle(world, fresh=False)
    finally:
        world.close()


@pytest.mark.parametrize("kind", ["lost", "away"])
def test_a_claim_whose_answer_was_lost_is_taken_over_from_a_living_worker(kind: Kind) -> None:
    """Its partition moves before it is asked for again: the other worker does not wait for the first one's death."""
    for after in range(12):
        world = World()
        world.rebalance(1.0)
        world.publish(Spec("reset_password", 1, ("alice", "bob")))
        world.work(0, "resolve")
        world.work(0, "email", Trouble(kind, after))
        world.rebalance(0.0)

        try:
            judge.settle(world, fresh=False)
            judge.after_step(world)
            judge.at_rest(world)
            assert set(world.relay.accepted.values()) == {1}
        finally:
            world.close()
