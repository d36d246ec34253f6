"""Scenarios on the machines of a plan: a day, a spike, a slow primary; simulated, and by the formula."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.capacity.figures import Figures, mixed
from bench.capacity.model import DAY_S, Demand, Plan, expiry_us_of
from bench.capacity.queues import (
    LINGER_S,
    Network,
    Result,
    Slowness,
    StageCost,
    backlog,
    capacity,
    day_curve,
    rates_by_interval,
    recovery_s,
)

HOUR_S = 30.0
"""Simulated time of an hour of the day's curve. Queues forget within seconds, so half a minute has an hour's delays."""
BEFORE_S, SPIKE_S, SPIKE_FACTOR = 60.0, 180.0, 50.0
SLOW_S, SLOW_FACTOR = 300.0, 10.0
_LONGEST_S = 6 * 3600.0
_REDIS_OF_RESOLVE = 0.43
"""Of the time in Redis: 28 of 65 µs of an inbox delivery, 23 November 2026 (bench/RESULTS.md)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What was simulated, and what the formula says. Delays and times in seconds; `backlog` in deliveries."""

    name: str
    result: Result
    utilisation: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """By stage: simulated; by the formula with full batches, the least; with a batch each LINGER_S, the most."""
    backlog: int = 0
    predicted_backlog: float = 0.0
    recovery_s: float = 0.0
    predicted_recovery_s: float = 0.0

    def compared(self) -> Iterator[tuple[str, float, float]]:
        """Yield what was compared, as simulated, and by the formula."""
        for name, (busy, least, most) in self.utilisation.items():
            yield f"utilisation, {name}: full batches", busy, least
            yield f"utilisation, {name}: a batch each {LINGER_S * 1000:.0f} ms", busy, most
        if not self.utilisation:
            yield "largest backlog, deliveries", self.backlog, self.predicted_backlog
            yield "recovery, s", self.recovery_s, self.predicted_recovery_s


def stage_costs(figures: Figures, demand: Demand, plan: Plan) -> list[StageCost]:
    """Return resolve, and inbox and email where the demand has them, with its costs and the workers of the plan."""
    redis_s = mixed(figures, demand.shares).cpu_us["redis"] / 1e6
    expiry_s = {"inbox": expiry_us_of(figures, demand) / 1e6}
    shares = {"resolve": 1.0, "inbox": demand.inbox_share, "email": 1 - demand.inbox_share}
    stages = []
    for role, share in shares.items():
        if not share:
            continue
        cpu_s = plan.cores[role] / plan.peak_rate / share
        # the measured costs have a full batch's overhead in them
        batch_s = min(figures.batch_us[role] / 1e6, 500 * cpu_s / 2)
        part = _REDIS_OF_RESOLVE if role == "resolve" else 1 - _REDIS_OF_RESOLVE
        in_redis_s = redis_s * part + expiry_s.get(role, 0.0)
        stages.append(StageCost(role, share, plan.workers[role], batch_s, cpu_s - batch_s / 500, in_redis_s))
    return stages


def scenarios(figures: Figures, demand: Demand, plan: Plan, seed: int = 1) -> list[Scenario]:
    """Simulate the day, the spike in an hour of the mean rate, and the slow primary in the busiest hour.

    The last once more with as many primaries as the CPU needs: memory needs so many that a slow one has time to spare.
    """
    stages = stage_costs(figures, demand, plan)
    mean = demand.deliveries_a_day / DAY_S
    slow = Slowness(BEFORE_S, BEFORE_S + SLOW_S, SLOW_FACTOR)
    return [
        _day(stages, plan.primaries, mean, demand.peak_factor, seed),
        _burst("spike", stages, plan.primaries, mean, (SPIKE_FACTOR, SPIKE_S), None, seed),
        *(
            _burst(
                f"1 of {primaries} primaries slow",
                stages,
                primaries,
                plan.peak_rate,
                (1.0, SLOW_S),
                slow,
                seed,
            )
            for primaries in (plan.primaries, plan.primaries_by_cpu)
        ),
    ]


def _day(stages: Sequence[StageCost], primaries: int, mean: float, peak_factor: float, seed: int) -> Scenario:
    curve, day_s = day_curve(peak_factor), 24 * HOUR_S
    network = Network(stages[0], stages[1:], primaries=primaries, seed=seed)
    result = network.run(lambda at: mean * curve(at / day_s), day_s)
    utilisation = {}
    for stage in stages:
        busy = result.stages[stage.name].busy_s / stage.workers / day_s
        # each worker of resolve may finish a batch each LINGER_S, with records for every worker after it
        batches = 1 / LINGER_S if stage is stages[0] else stages[0].workers / LINGER_S
        records = mean * stage.share / stage.workers
        most = batches * stage.batch_s + records * stage.record_s
        utilisation[stage.name] = (busy, mean * stage.share / stage.rate, most)
    return Scenario("day", result, utilisation)


def _burst(
    name: str,
    stages: Sequence[StageCost],
    primaries: int,
    base: float,
    burst: tuple[float, float],
    slow: Slowness | None,
    seed: int,
) -> Scenario:
    """Simulate a base rate with one burst (factor and seconds), until the formula's recovery and a fifth more."""
    factor, for_s = burst
    able, end_s, slow_factor = capacity(stages, primaries), BEFORE_S + for_s, slow.factor if slow else 1.0
    waiting = backlog(stages, primaries, base * factor, for_s, slow_factor)
    # the slowest stage or Redis recovers last, and alone it has what came more than it could do
    able_meanwhile = capacity(stages, primaries, slow_factor)
    lasts_s = recovery_s(max(0.0, base * factor - able_meanwhile) * for_s, base, able)
    network = Network(stages[0], stages[1:], primaries=primaries, slowness=slow, seed=seed)
    rate = rates_by_interval(base, {(BEFORE_S, end_s): factor})
    result = network.run(rate, end_s + 1.2 * min(lasts_s, _LONGEST_S) + BEFORE_S)
    return Scenario(
        name,
        result,
        backlog=result.end_to_end.largest_backlog,
        predicted_backlog=waiting,
        # recovered: no more waits than arrives in a second
        recovery_s=result.recovered_s(end_s, math.ceil(base)),
        predicted_recovery_s=lasts_s,
    )
