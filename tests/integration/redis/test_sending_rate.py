"""Rate limits that all workers share."""

import asyncio
from itertools import pairwise

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.sending_rate import RedisSendingRate


async def test_two_workers_share_a_relays_rate(store: Store) -> None:
    """Reservations of both workers follow each other at one rate; another relay has its own."""
    one, two = (RedisSendingRate(store, {"first": 10.0}, {}) for _ in range(2))

    waits = [await (one, two)[n % 2].acquire("first", "", 90) for n in range(4)]

    assert waits[0] == 0.0
    # 9 s apart by the server's clock, less what the calls take on a busy machine
    assert all(4.0 < later - sooner < 9.01 for sooner, later in pairwise(waits))
    assert await one.acquire("second", "", 1000) == 0.0


async def test_concurrent_reservations_have_different_times(store: Store) -> None:
    """No two workers reserve the same time, however they interleave."""
    workers = [RedisSendingRate(store, {"first": 10.0}, {}) for _ in range(8)]

    waits = sorted(await asyncio.gather(*(workers[n % 8].acquire("first", "", 1) for n in range(100))))

    assert len({round(wait, 3) for wait in waits if wait}) >= 85
    assert 6.0 < waits[-1] <= 10.0


async def test_a_domain_has_its_own_rate(store: Store) -> None:
    """A domain has its own rate or the common one, however it is spelt, and through each relay separately."""
    rate = RedisSendingRate(store, {}, {"Slow.example": 1.0, "Bücher.example": 1.0}, 100.0)

    assert await rate.acquire("r", "slow.example", 20) == 0.0
    assert 10.0 < await rate.acquire("r", "SLOW.example", 1) < 20.0
    assert await rate.acquire("other", "slow.example", 1) == 0.0
    assert await rate.acquire("r", "xn--bcher-kva.example", 20) == 0.0
    assert 10.0 < await rate.acquire("r", "xn--bcher-kva.example", 1) < 20.0
    await rate.acquire("r", "quick.example", 1000)
    assert 1.0 < await rate.acquire("r", "quick.example", 1) <= 10.0


async def test_a_wait_over_the_limit_reserves_nothing(store: Store) -> None:
    """A delivery that goes to the due set instead does not use up the rate."""
    rate = RedisSendingRate(store, {}, {"slow.example": 1.0})
    await rate.acquire("r", "slow.example", 40)

    waits = [await rate.acquire("r", "slow.example", 20) for _ in range(5)]

    assert all(38 < wait < 40 for wait in waits)
    assert (rate.is_limited("SLOW.example"), rate.is_limited("other.example")) == (True, False)
    assert await rate.acquire("r", "other.example", 1000) == 0.0
