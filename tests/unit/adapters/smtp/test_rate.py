"""A relay's own rate."""

from service.adapters.smtp.rate import SteadyRate


async def test_so_many_a_second() -> None:
    """Reservations follow each other at the rate; time that passed unused gives at most a tenth of a second's."""
    now = [100.0]
    rate = SteadyRate(10.0, lambda: now[0])

    assert await rate.acquire("r", "d", 5) == 0.0
    assert round(await rate.acquire("r", "d", 1), 6) == 0.4
    now[0] += 60
    assert [await rate.acquire("r", "d", 1) for _ in range(2)] == [0.0, 0.0]
    assert round(await rate.acquire("r", "d", 1), 6) == 0.1
