"""The lease of an owner epoch: extended by heartbeats, over after a pause, and then over for good."""

from collections.abc import Sequence

from service.pipeline.email.in_flight import InFlight
from service.pipeline.email.lease import ALIVE_S, MARGIN_S, OwnerLease
from tests.fakes.clock import FakeClock
from tests.fakes.workers import FakeWorkers

LEASE_MS = round((ALIVE_S - MARGIN_S) * 1000)


class SlowWorkers(FakeWorkers):
    """Answers a heartbeat after `delay_ms`."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.delay_ms = 0

    async def heartbeat(self, owners: Sequence[str], ttl_s: float) -> Sequence[bool]:
        before = await super().heartbeat(owners, ttl_s)
        self.clock.advance(self.delay_ms)
        return before


def test_a_lease_counts_from_the_sending_of_the_heartbeat() -> None:
    """It holds for the TTL less the margin, and not before the first heartbeat was acknowledged."""
    clock = FakeClock()
    lease, sent_s = OwnerLease(clock), clock.boot_s()
    assert not lease.holds()
    assert not lease.over

    clock.advance(500)
    lease.extend(sent_s, ALIVE_S, unbroken=False)
    clock.advance(LEASE_MS - 501)
    assert lease.holds()
    clock.advance(1)
    assert not lease.holds()
    assert lease.over


async def test_a_lease_that_was_over_stays_over() -> None:
    """Heartbeats arrive again after a pause, but another worker may have taken the claims over in between."""
    clock = FakeClock()
    workers, in_flight = FakeWorkers(clock), InFlight("w", clock)
    first = await in_flight.leased_owner(workers)
    lease = in_flight.lease(first)
    for _ in range(10):
        clock.advance(2000)
        await in_flight.heartbeat(workers)
    assert lease.holds()

    clock.advance(LEASE_MS)
    await in_flight.heartbeat(workers)
    assert not lease.holds()
    assert await workers.have_heartbeat([first]) == [True]

    second = await in_flight.leased_owner(workers)
    assert second != first
    assert in_flight.is_own(second)
    assert in_flight.lease(second).holds()


async def test_a_heartbeat_that_is_acknowledged_too_late_extends_nothing() -> None:
    """It is not known whether the one before had expired when it arrived."""
    clock = FakeClock()
    workers, in_flight = SlowWorkers(clock), InFlight("w", clock)
    lease = in_flight.lease(await in_flight.leased_owner(workers))
    clock.advance(LEASE_MS - 1000)
    workers.delay_ms = 1001

    await in_flight.heartbeat(workers)

    assert lease.over


async def test_a_lease_is_over_when_redis_has_lost_the_heartbeat() -> None:
    """A fail-over, or a hypervisor that stops the clocks of its guest: this worker's clock shows nothing of it."""
    clock, redis_clock = FakeClock(), FakeClock()
    workers, in_flight = FakeWorkers(redis_clock), InFlight("w", clock)
    lease = in_flight.lease(await in_flight.leased_owner(workers))
    redis_clock.advance(20_000)
    assert lease.holds()

    await in_flight.heartbeat(workers)

    assert lease.over


async def test_leases_of_epochs_that_are_not_in_use_are_forgotten() -> None:
    """A worker that renews its epoch often keeps no list of all of them."""
    clock = FakeClock()
    workers, in_flight = FakeWorkers(clock), InFlight("w", clock)
    for _ in range(50):
        await in_flight.leased_owner(workers)
        in_flight.renew_epoch(())
        await in_flight.heartbeat(workers)

    assert len(in_flight._leases) == 1
