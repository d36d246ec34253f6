"""The pipeline in the simulation: under all faults in any order, nothing is lost and no recipient is wrongly mailed.

`TOCSIN_SIMULATION_STEPS` sets the length of the random walks (default 90,000), `TOCSIN_SIMULATION_EXAMPLES` the
number of runs of the state machine (default 200, of 50 steps), `TOCSIN_SIMULATION_SEED` the first seed of both. It is
fixed, so that a change is not blamed for a new seed; `make simulate` takes a new one each time. A failure names its
seed; with it and the same PYTHONHASHSEED the run is the same.
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

from tests.simulation import planted_faults
from tests.simulation.invariants import check_settled, check_step, settle
from tests.simulation.process import FaultKind, InjectedFault
from tests.simulation.random_walk import KINDS, TIMES_MS, InvariantBroken, RandomWalk
from tests.simulation.relay import REPLIES, ScriptedReply
from tests.simulation.simulation import RECIPIENTS, TYPES, EventSpec, Simulation
from tests.simulation.worker import STAGES

STEPS = int(os.environ.get("TOCSIN_SIMULATION_STEPS", "90000"))
EXAMPLES = int(os.environ.get("TOCSIN_SIMULATION_EXAMPLES", "200"))
SEED = int(os.environ.get("TOCSIN_SIMULATION_SEED", "20261123"))
STEPS_PER_WALK = 100
"""Steps in one simulation."""

SPECS = st.builds(
    EventSpec,
    st.sampled_from(TYPES),
    st.integers(0, 7),
    st.lists(st.sampled_from(RECIPIENTS), min_size=1, max_size=2, unique=True).map(tuple),
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from((0, 60)),
)
INDEX = st.integers(0, 1)
STAGE = st.sampled_from(list(STAGES))
KIND = st.sampled_from(KINDS)
FAULT = st.none() | st.builds(InjectedFault, KIND, st.integers(0, 9))
REPLY = st.builds(ScriptedReply, st.sampled_from(REPLIES), st.sampled_from((0, 300, 30_000)))
RECIPIENT = st.sampled_from(RECIPIENTS)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Disable logs: thousands of workers die."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Machine(RuleBasedStateMachine):
    """The simulation with its steps as rules. Hypothesis chooses them, and shrinks a run that breaks an invariant."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation()

    @rule(spec=SPECS, index=INDEX)
    def publish(self, spec: EventSpec, index: int) -> None:
        self.simulation.publish(spec)
        self.simulation.work(index, "resolve")

    @rule(spec=SPECS, key=st.integers(0, 4))
    def withdraw(self, spec: EventSpec, key: int) -> None:
        self.simulation.withdraw(spec, key)

    @rule(key=st.integers(0, 3))
    def publish_invalid(self, key: int) -> None:
        self.simulation.publish_invalid(key)

    @rule(index=INDEX, stage=STAGE, fault=FAULT)
    def work(self, index: int, stage: str, fault: InjectedFault | None) -> None:
        self.simulation.work(index, stage, fault)

    @rule(index=INDEX, replies=st.lists(REPLY, max_size=3), fault=FAULT)
    def mail(self, index: int, replies: list[ScriptedReply], fault: InjectedFault | None) -> None:
        self.simulation.script_replies(*replies)
        self.simulation.work(index, "email", fault)

    @rule(index=INDEX, stage=STAGE, kind=st.none() | KIND)
    def commit(self, index: int, stage: str, kind: FaultKind | None) -> None:
        self.simulation.commit(index, stage, kind)

    @rule(index=INDEX, fault=FAULT)
    def dispatch_due(self, index: int, fault: InjectedFault | None) -> None:
        self.simulation.dispatch_due(index, fault)

    @rule(index=INDEX)
    def resume(self, index: int) -> None:
        self.simulation.resume(index)

    @rule(index=INDEX)
    def pause(self, index: int) -> None:
        self.simulation.pause(index)

    @rule(index=INDEX, after=st.integers(0, 13), ms=st.sampled_from(TIMES_MS))
    def pause_while_sending(self, index: int, after: int, ms: int) -> None:
        self.simulation.pause_while_sending(index, after, ms)

    @rule(index=INDEX)
    def crash_and_restart(self, index: int) -> None:
        self.simulation.crash(index)
        self.simulation.restart(index)
        self.simulation.rebalance(0.5)

    @rule(share=st.sampled_from((0.0, 0.5, 1.0)), drain_s=st.sampled_from((0.0, 20.0)))
    def rebalance(self, share: float, drain_s: float) -> None:
        self.simulation.rebalance(share, drain_s)

    @rule(index=INDEX, stage=STAGE)
    def steal_partitions(self, index: int, stage: str) -> None:
        self.simulation.steal_partitions(index, stage)

    @rule(recipient=RECIPIENT, type_name=st.sampled_from(TYPES), on=st.booleans())
    def set_preference(self, recipient: str, type_name: str, on: bool) -> None:
        self.simulation.set_preference(recipient, type_name, on)

    @rule(recipient=RECIPIENT, number=st.integers(0, 8))
    def change_address(self, recipient: str, number: int) -> None:
        self.simulation.change_address(recipient, number)

    @rule(recipient=RECIPIENT, on=st.booleans())
    def suppress(self, recipient: str, on: bool) -> None:
        self.simulation.suppress(recipient, on)

    @rule(recipient=RECIPIENT)
    def read(self, recipient: str) -> None:
        self.simulation.read(recipient)

    @rule(ms=st.sampled_from(TIMES_MS))
    def pass_time(self, ms: int) -> None:
        self.simulation.pass_time(ms)

    @invariant()
    def holds_after_every_step(self) -> None:
        check_step(self.simulation)

    def teardown(self) -> None:
        try:
            settle(self.simulation)
            check_step(self.simulation)
            check_settled(self.simulation)
        finally:
            self.simulation.close()


def run_machine(examples: int, first_seed: int, **options: Any) -> None:
    """Run the state machine with its own profile: examples are not kept, and equal seeds give equal runs."""
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
    """Take so many steps, in one simulation after the other."""
    for walk_seed in range(first_seed, first_seed + steps // STEPS_PER_WALK):
        RandomWalk(walk_seed).run(STEPS_PER_WALK)


@pytest.mark.timeout(1800)
def test_no_order_of_events_breaks_an_invariant() -> None:
    """The state machine finds no run that loses or duplicates a delivery, mails it wrongly, or leaves it open."""
    print(f"TOCSIN_SIMULATION_SEED={SEED}")
    run_machine(EXAMPLES, SEED, print_blob=True)


@pytest.mark.timeout(3600)
def test_no_long_walk_breaks_an_invariant() -> None:
    """Many more steps, chosen at random, find none either."""
    walk(SEED, STEPS)


@pytest.mark.parametrize(
    ("fault", "first_seed"),
    [(planted_faults.off_by_one_commit, 1), (planted_faults.lost_update, 2)],
    ids=["commit", "update"],
)
def test_a_planted_fault_is_found_by_the_machine(
    fault: Callable[[], AbstractContextManager[Any]], first_seed: int
) -> None:
    """The machine finds a commit past an unfinished record, and a lost update. Other seeds find them later."""
    with fault(), pytest.raises(AssertionError):
        run_machine(2000, first_seed, phases=[Phase.generate], report_multiple_bugs=False)


@pytest.mark.parametrize("fault", planted_faults.FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found_by_the_walk(fault: Callable[[], AbstractContextManager[Any]]) -> None:
    """The walk finds each of them, and names its seed."""
    with fault(), pytest.raises(InvariantBroken, match=r"seed \d+: "):
        walk(1, 30_000)


@pytest.mark.parametrize(
    "reply", [ScriptedReply("250", 60_000), ScriptedReply("no such reply")], ids=["slow", "error"]
)
def test_a_claim_left_by_a_batch_is_taken_over(reply: ScriptedReply) -> None:
    """A batch that a slow relay lets be cancelled, or that fails in submit, leaves no delivery `sending` for ever."""
    simulation = Simulation()
    simulation.rebalance(1.0)
    simulation.publish(EventSpec("reset_password", 1, ("alice",)))
    simulation.work(0, "resolve")
    simulation.script_replies(reply)
    simulation.work(0, "email")
    simulation.rebalance(0.0)
    simulation.pass_time(3_600_000)

    try:
        settle(simulation, restart=False)
    finally:
        simulation.close()


@pytest.mark.parametrize("kind", ["reply_lost", "unavailable"])
def test_a_claim_whose_reply_was_lost_is_taken_over_from_a_running_worker(kind: FaultKind) -> None:
    """The partition moves before the claim is repeated: the other worker does not wait for the first one to die."""
    for after in range(12):
        simulation = Simulation()
        simulation.rebalance(1.0)
        simulation.publish(EventSpec("reset_password", 1, ("alice", "bob")))
        simulation.work(0, "resolve")
        simulation.work(0, "email", InjectedFault(kind, after))
        simulation.rebalance(0.0)

        try:
            settle(simulation, restart=False)
            check_step(simulation)
            check_settled(simulation)
            assert set(simulation.relay.accepted.values()) == {1}
        finally:
            simulation.close()
