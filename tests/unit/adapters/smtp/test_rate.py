"""The rate limit of a single relay in one process."""

from service.adapters.smtp.rate import SteadyRate


async def test_reservations_follow_at_the_rate() -> None:
    """Space reservations by the rate; unused time allows a burst of at most a tenth of a second."""
    now = [100.0]
    rate = SteadyRate(10.0, lambda: now[0])

    assert await rate.acquire("r", "d", 5) == 0.0
    assert round(await rate.acquire("r", "d", 1), 6) == 0.4
    now[0] += 60
    assert [await rate.acquire("r", "d", 1) for _ in range(2)] == [0.0, 0.0]
    assert round(await rate.acquire("r", "d", 1), 6) == 0.1
