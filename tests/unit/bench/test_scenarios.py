"""The machines of a plan, as the simulation sees them. The figures are the saved ones."""

import pytest

from bench.capacity.figures import Figures
from bench.capacity.mixes import DEFAULT_SHARES, MIXES, interleaved
from bench.capacity.model import Demand, plan
from bench.capacity.queues import capacity
from bench.capacity.scenarios import scenarios, stage_costs

_FIGURES = Figures.load()


@pytest.mark.parametrize("day", [1e6, 1e8, 1e9])
def test_a_plan_does_its_busiest_hour_at_its_utilisation(day: float) -> None:
    """What stages and Redis are able to do is the peak rate and the reserve at least."""
    demand = Demand(day, DEFAULT_SHARES)
    result = plan(_FIGURES, demand)
    able = capacity(stage_costs(_FIGURES, demand, result), result.primaries)
    assert able >= result.peak_rate / demand.utilisation


@pytest.mark.parametrize("mix", MIXES)
def test_a_demand_of_one_mix_has_a_plan(mix: str) -> None:
    """A stage that no delivery passes is not simulated."""
    demand = Demand(1e8, {mix: 1.0})
    stages = stage_costs(_FIGURES, demand, plan(_FIGURES, demand))
    channels = {"inbox": MIXES[mix].inbox, "email": MIXES[mix].email}
    assert [stage.name for stage in stages] == ["resolve", *(name for name, n in channels.items() if n)]


def test_a_small_demand_meets_no_backlog() -> None:
    """The least number of workers does fifty times the rate of a million a day, and the formula says so too."""
    demand = Demand(1e6, DEFAULT_SHARES)
    day, *bursts = scenarios(_FIGURES, demand, plan(_FIGURES, demand))
    for least, most in ((least, most) for _, least, most in day.utilisation.values()):
        assert least < most
    assert all(simulated < 0.25 for simulated, _, _ in day.utilisation.values())
    for burst in bursts:
        assert burst.predicted_backlog == burst.predicted_recovery_s == 0.0
        assert burst.backlog < 580  # what arrives in a second of the spike


def test_events_of_mixes_are_spread_over_each_other() -> None:
    """Each quarter of the load has its part of each mix."""
    parts = [MIXES[name].events("run", 40) for name in ("inbox", "email", "both")]
    events = interleaved(parts)
    assert len(events) == 40 + 40 + 20
    assert set(events) == {event for part in parts for event in part}
    first = events[:25]
    assert [sum(event in part for event in first) for part in parts] == [10, 10, 5]
