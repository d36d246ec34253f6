"""Spec of the RelayReports port."""

from service.model.reasons import Reason, SendReason
from service.model.relay import RelayReport, RelayState
from tests.specs.backend import Backend

OK = RelayReport("relay1", RelayState.ok, 5, Reason.none, "")
REFUSED = RelayReport("relay2", RelayState.misconfigured, 7, SendReason.auth_failed, "535 5.7.8 No")


async def test_the_newest_reports_of_each_worker(backend: Backend) -> None:
    """A worker's reports replace its earlier ones, and name it."""
    now = backend.clock.now_ms()
    await backend.relays.put("a", [OK, REFUSED], now)
    await backend.relays.put("b", [OK], now)
    await backend.relays.put("b", [REFUSED], now)

    reports = await backend.relays.current(now)
    assert sorted((one.worker, one.relay) for one in reports) == [
        ("a", "relay1"),
        ("a", "relay2"),
        ("b", "relay2"),
    ]
    assert REFUSED._replace(worker="b") in reports


async def test_a_worker_that_is_gone_is_left_out(backend: Backend) -> None:
    """Without a report for fifteen seconds a worker does not run, and says nothing about its relays."""
    now = backend.clock.now_ms()
    await backend.relays.put("a", [OK], now)

    assert len(await backend.relays.current(now + 15_000)) == 1
    assert await backend.relays.current(now + 15_001) == []
    assert await backend.relays.current(now) == []
