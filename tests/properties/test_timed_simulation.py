"""The simulation with time: under all faults, mail goes when it may, within limits, each item in one digest or alone.

The length of the walks and the first seed are set as in `test_simulation`; walks here are a third as long, since every
minute in which nothing may be late takes many steps.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest

from service.model.holds.calendar import Frequency, QuietWindow, Weekday
from tests.properties.test_simulation import SEED, STEPS, STEPS_PER_WALK
from tests.simulation import time_faults
from tests.simulation.invariants import settle
from tests.simulation.random_walk import InvariantBroken
from tests.simulation.time_invariants import check_timed_settled, tick
from tests.simulation.timed_simulation import NIGHT, SMALL_HOURS, TimedSimulation, TimedSpec
from tests.simulation.timed_walk import TimedWalk
from tests.simulation.wall_clock import MINUTE_MS, digest_due_ms, is_free, is_quiet

VIENNA = "Europe/Vienna"
_FIRST_SEEDS = {time_faults.winter_time: 17, time_faults.orphaned_windows: 455}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Disable logs: thousands of workers die."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def walk(first_seed: int, steps: int) -> None:
    """Take so many steps, in one simulation after the other."""
    for walk_seed in range(first_seed, first_seed + steps // STEPS_PER_WALK):
        TimedWalk(walk_seed).run(STEPS_PER_WALK)


@pytest.mark.timeout(3600)
def test_no_long_walk_breaks_an_invariant_of_time() -> None:
    """Steps chosen at random find no mail in quiet hours, over a limit, too early, late, twice or lost."""
    walk(SEED, STEPS // 3)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", time_faults.FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_time_is_found(fault: Callable[[], AbstractContextManager[Any]]) -> None:
    """The walk finds each of them, and names its seed. Other first seeds find some later."""
    with fault(), pytest.raises(InvariantBroken, match=r"seed \d+: "):
        walk(_FIRST_SEEDS.get(fault, 1), 200_000)


def test_mail_waits_for_the_end_of_a_night_that_is_an_hour_shorter() -> None:
    """Alice's night in Vienna ends at 05:00 UTC, where it would have ended at 06:00; her inbox entry was at once."""
    simulation = TimedSimulation(0)
    try:
        simulation.pass_time(ms("2026-03-28T22:00") - simulation.clock.now)
        simulation.publish(TimedSpec("plain", 1, ("alice",)))
        tick(simulation)
        assert not simulation.relay.accepted
        assert len(simulation.loop.done(simulation.pipeline.inbox.unread("alice"))) == 1
        simulation.pass_time(ms("2026-03-29T05:00") - MINUTE_MS - simulation.clock.now)
        tick(simulation)
        assert simulation.relay.accepted.total() == 1
        assert simulation.clock.now <= ms("2026-03-29T05:00") + MINUTE_MS
        settle(simulation)
        check_timed_settled(simulation)
    finally:
        simulation.close()


def test_items_are_put_together_in_one_digest() -> None:
    """Three notifications within ten minutes are one mail."""
    simulation = TimedSimulation(0)
    try:
        for number in range(3):
            simulation.publish(TimedSpec("bids", number, ("carol",)))
            tick(simulation)
        simulation.pass_time(600_000)
        tick(simulation)
        assert simulation.relay.accepted.total() == 1
        assert sorted(map(len, simulation.time_rules.carried.values())) == [1, 1, 1]
        settle(simulation)
        check_timed_settled(simulation)
    finally:
        simulation.close()


@pytest.mark.parametrize(
    ("text", "windows", "shown", "free"),
    [
        ("2026-03-28T20:59", (NIGHT,), False, True),
        ("2026-03-28T21:00", (NIGHT,), True, False),
        ("2026-03-29T04:59", (NIGHT,), True, False),
        ("2026-03-29T05:00", (NIGHT,), False, True),
        ("2026-03-29T00:45", (SMALL_HOURS,), True, False),
        ("2026-03-29T01:00", (SMALL_HOURS,), False, False),  # 03:00: the window ended with the change
        ("2026-10-25T00:15", (SMALL_HOURS,), True, False),
        (
            "2026-10-25T00:45",
            (SMALL_HOURS,),
            False,
            False,
        ),  # 02:45 for the first time: it is quiet until the second
    ],
)
def test_the_clock_on_the_wall(text: str, windows: tuple[QuietWindow, ...], shown: bool, free: bool) -> None:
    """Quiet hours as it shows them; around a change only what is certain counts as free."""
    assert is_quiet(windows, VIENNA, ms(text)) is shown
    assert is_free(windows, VIENNA, ms(text)) is free


@pytest.mark.parametrize(
    ("frequency", "at", "opened", "due"),
    [
        (Frequency.daily, "08:00", "2026-03-28T07:00", "2026-03-29T06:00"),
        (Frequency.daily, "08:00", "2026-03-28T06:59", "2026-03-28T07:00"),
        (
            Frequency.daily,
            "02:30",
            "2026-03-28T12:00",
            "2026-03-29T01:00",
        ),  # skipped: the moment of the change
        (Frequency.daily, "02:30", "2026-10-24T12:00", "2026-10-25T00:30"),  # twice: the first
        (Frequency.daily, "02:30", "2026-10-25T00:30", "2026-10-26T01:30"),
        (Frequency.weekly, "08:00", "2026-03-28T12:00", "2026-03-30T06:00"),
        (Frequency.hourly, "08:00", "2026-03-28T12:00", "2026-03-28T13:00"),
    ],
)
def test_digests_by_the_clock_on_the_wall(frequency: Frequency, at: str, opened: str, due: str) -> None:
    """The first minute at which it shows the time of the digest, once a day."""
    assert digest_due_ms(frequency, 0, at, Weekday.mon, VIENNA, ms(opened)) == ms(due)
    assert digest_due_ms(Frequency.instant, 600, at, Weekday.mon, VIENNA, ms(opened)) == ms(opened) + 600_000
