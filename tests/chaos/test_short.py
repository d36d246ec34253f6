"""The short selection of the chaos harness, so that every run of the tests injects some faults."""

import pytest

from tests.chaos.run import run
from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import SHORT


@pytest.mark.chaos
@pytest.mark.timeout(420)
@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
async def test_bounds_hold(scenario: Scenario) -> None:
    """No delivery is lost, no inbox entry is duplicated, and messages only up to their bound."""
    report = await run(scenario, seed=7)

    assert report.violations == []
    assert report.events > 0
