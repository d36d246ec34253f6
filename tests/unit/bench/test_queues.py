"""The simulation of the stages, against closed forms: M/D/1, and a queue as a fluid."""

import math

import pytest

from bench.capacity.queues import (
    Network,
    Slowness,
    StageCost,
    backlog,
    capacity,
    day_curve,
    rates_by_interval,
    recovery_s,
)

_ONE = StageCost("one", 1.0, 1, batch_s=0.0, record_s=0.01, redis_s=0.0, batch_records=1)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_worker_with_single_records_is_m_d_1(load: float) -> None:
    """The mean delay is the service time and ρs / 2(1 - ρ) of waiting (Pollaczek and Khinchine)."""
    result = Network(_ONE, (), linger_s=0.0, seed=7).run(lambda at: load / 0.01, 2_000.0)
    expected_s = 0.01 + load * 0.01 / (2 * (1 - load))
    assert result.stages["one"].mean == pytest.approx(expected_s, rel=0.05)
    assert result.stages["one"].busy_s == pytest.approx(load * 2_000.0, rel=0.02)


def test_redis_alone_is_m_d_1() -> None:
    """A primary is a queue of its own, behind a worker that takes no time."""
    stage = StageCost("one", 1.0, 1, 0.0, 0.0, redis_s=0.01, batch_records=1, batches=1000)
    result = Network(stage, (), linger_s=0.0, seed=7).run(lambda at: 60.0, 2_000.0)
    assert result.stages["one"].mean == pytest.approx(0.01 + 0.6 * 0.01 / 0.8, rel=0.05)
    assert result.redis_busy_s[0] == pytest.approx(1_200.0, rel=0.02)


def test_a_burst_is_a_fluid() -> None:
    """Backlog and recovery are those of a fluid: arrivals beyond the capacity, and what is spare after them."""
    able = capacity([_ONE], 1)
    assert able == pytest.approx(100.0)
    rate = rates_by_interval(50.0, {(60.0, 110.0): 10.0})
    result = Network(_ONE, (), linger_s=0.0, seed=7).run(rate, 600.0)
    waiting = backlog([_ONE], 1, 500.0, 50.0)
    assert result.end_to_end.largest_backlog == pytest.approx(waiting, rel=0.02)
    assert result.recovered_s(110.0, 1) == pytest.approx(recovery_s(waiting, 50.0, able), rel=0.05)


def test_a_slow_primary_holds_every_batch_up() -> None:
    """Each batch has a part on it, so its capacity times the number of primaries is that of all."""
    stage = StageCost("one", 1.0, 2, batch_s=0.0, record_s=0.0001, redis_s=0.001)
    slow = Slowness(10.0, 210.0, 10.0)
    result = Network(stage, (), primaries=4, slowness=slow, seed=7).run(lambda at: 1_000.0, 300.0)
    able = capacity([stage], 4, 10.0)
    assert able == pytest.approx(400.0)
    assert result.end_to_end.largest_backlog == pytest.approx(
        backlog([stage], 4, 1_000.0, 200.0, 10.0), rel=0.05
    )


def test_deliveries_are_divided_by_share_and_none_is_lost() -> None:
    """Every delivery passes resolve and one of the stages after it."""
    others = [
        StageCost("inbox", 0.3, 2, 0.001, 0.0001, 0.0),
        StageCost("email", 0.7, 3, 0.001, 0.0001, 0.0),
    ]
    first = StageCost("resolve", 1.0, 2, 0.001, 0.0001, 0.0)
    result = Network(first, others, seed=7).run(lambda at: 500.0, 100.0)
    counts = {name: sum(n for _, n in stage.delays) for name, stage in result.stages.items()}
    assert counts["inbox"] + counts["email"] == counts["resolve"] > 0
    assert counts["inbox"] / counts["resolve"] == pytest.approx(0.3, abs=0.001)
    assert sum(n for _, n in result.end_to_end.delays) == counts["resolve"]
    assert result.backlogs[-1][1] == 0


def test_a_seed_repeats_the_run() -> None:
    """Two runs with one seed are the same, with another they are not."""
    runs = [Network(_ONE, (), seed=seed).run(lambda at: 50.0, 100.0).stages["one"].mean for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_larger_batch_spreads_its_cost() -> None:
    """With full batches, the CPU of a batch is divided by its records."""
    stage = StageCost("one", 1.0, 2, batch_s=0.5, record_s=0.001, redis_s=0.0, batch_records=500)
    assert stage.rate == pytest.approx(2 / 0.002)
    rate = rates_by_interval(100.0, {(0.0, 60.0): 50.0})
    result = Network(stage, (), linger_s=0.002, seed=7).run(rate, 100.0)
    done = 5_000.0 * 60.0 + 100.0 * 40.0
    assert result.end_to_end.largest_backlog == pytest.approx(backlog([stage], 1, 5_000.0, 60.0), rel=0.04)
    assert sum(n for _, n in result.end_to_end.delays) == pytest.approx(done, rel=0.02)


def test_what_waits_in_the_first_stage_is_not_in_the_others() -> None:
    """Of 300 a second, the first stage passes 200; of them 100 are mail, and 40 of those are sent."""
    first = StageCost("resolve", 1.0, 2, 0.0, 0.01, 0.0, batch_records=10)
    others = [
        StageCost("inbox", 0.5, 2, 0.0, 0.01, 0.0, batch_records=10),
        StageCost("email", 0.5, 2, 0.0, 0.05, 0.0, batch_records=10),
    ]
    waiting = backlog([first, *others], 1, 300.0, 100.0)
    assert waiting == pytest.approx((100 + 60) * 100.0)
    rate = rates_by_interval(20.0, {(0.0, 100.0): 15.0})
    result = Network(first, others, linger_s=0.002, seed=7).run(rate, 1_500.0)
    assert result.end_to_end.largest_backlog == pytest.approx(waiting, rel=0.04)


@pytest.mark.parametrize("peak_factor", [1.5, 3.0, 6.0])
def test_the_day_has_its_mean_and_its_peak(peak_factor: float) -> None:
    """The mean of the curve is 1, and its highest rate is the peak factor."""
    curve = day_curve(peak_factor)
    values = [curve(n / 1_440) for n in range(1_440)]
    assert sum(values) / len(values) == pytest.approx(1.0, rel=0.001)
    assert max(values) == pytest.approx(peak_factor, rel=0.001)


def test_no_spare_capacity_never_recovers() -> None:
    """A backlog shrinks only where more can be done than arrives."""
    assert recovery_s(10.0, 100.0, 100.0) == math.inf
    assert backlog([_ONE], 1, 50.0, 10.0) == 0.0
