"""Spec of the SoftBounceScores port."""

import pytest

from service.model.blocks.suppression import SoftBounceScore
from tests.specs.backend import Backend

WEEK_MS = 7 * 86_400_000
KEY, OTHER = "a" * 24, "b" * 24


async def test_scores_add_up_and_halve_every_week(backend: Backend) -> None:
    """An address has its own score; each delivery counts; a clock that runs back is ignored."""
    now = backend.clock.now_ms()
    deliveries = map(str, range(100))

    async def added(keys: list[str], at_ms: int) -> list[float]:
        failures = [(key, next(deliveries)) for key in keys]
        return [score.value for score in await backend.scores.add(failures, at_ms)]

    assert await added([KEY, OTHER, KEY], now) == [1, 1, 2]
    assert await added([KEY], now + WEEK_MS) == [2.0]
    assert await added([KEY], now) == [3.0]
    assert await added([OTHER], now + 20 * WEEK_MS) == pytest.approx([1.0], abs=0.002)
    await backend.scores.clear(KEY)
    assert await added([KEY], now) == [1]
    assert await added([], now) == []


async def test_a_score_of_a_clock_that_is_years_ahead_halves_too(backend: Backend) -> None:
    """Its time is that of the next failure: until then, it would only grow."""
    now = backend.clock.now_ms()
    for delivery, at_ms, value in (("a", now + 500 * WEEK_MS, 1), ("b", now, 2), ("c", now + WEEK_MS, 2)):
        (score,) = await backend.scores.add([(KEY, delivery)], at_ms)
        assert score.value == pytest.approx(value, abs=0.002)
    assert score.at_ms == now + WEEK_MS


async def test_a_delivery_counts_once_a_day(backend: Backend) -> None:
    """Its attempts and reports within a day count as one, also among those of others; a day later it counts again."""
    now, hour_ms = backend.clock.now_ms(), 3_600_000

    async def added(*deliveries: str, at_ms: int) -> list[float]:
        scores = await backend.scores.add([(KEY, delivery) for delivery in deliveries], at_ms)
        return [round(score.value) for score in scores]

    assert await added("a", "a", at_ms=now) == [1, 1]
    assert await added("b", "a", "b", at_ms=now + hour_ms) == [2, 2, 2]
    assert await added("a", at_ms=now + 23 * hour_ms) == [2]
    assert await added("a", at_ms=now + 25 * hour_ms) == [3]
    assert await added("a", at_ms=now + 26 * hour_ms) == [3]
    assert await added("c", at_ms=now) == [4]


async def test_scores_are_restored(backend: Backend) -> None:
    """A restored score is exact and continues to decay; a newer one is kept, a faded one is not restored."""
    now = backend.clock.now_ms()
    (kept,) = await backend.scores.add([(KEY, "a")], now - WEEK_MS // 3)
    (kept,) = await backend.scores.add([(KEY, "b")], now)
    await backend.scores.clear(KEY)

    await backend.scores.put({KEY: kept, OTHER: SoftBounceScore(4.0, now - 9 * WEEK_MS)}, now)
    await backend.scores.put({KEY: SoftBounceScore(9.0, now - 1)}, now)
    await backend.scores.put({}, now)

    added = await backend.scores.add([(KEY, "c"), (OTHER, "c")], now)
    assert list(added) == [SoftBounceScore(round(kept.value + 1, 6), now), SoftBounceScore(1.0, now)]
