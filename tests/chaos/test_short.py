"""The short selection of the chaos harness, so that every run of the tests has seen faults."""

import pytest

from tests.chaos.run import run
from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import SHORT


@pytest.mark.chaos
@pytest.mark.timeout(420)
@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
async def test_bounds_hold(scenario: Scenario) -> None:
    """Nothing lost, nothing doubled in an inbox, mails doubled at most as promised."""
    report = await run(scenario, seed=7)

    assert report.faults == []
    assert report.events > 0
