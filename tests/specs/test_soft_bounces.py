"""Spec of the SoftBounceScores port."""

import pytest

from service.model.soft_bounce import SoftBounceScore
from tests.specs.backend import Backend

WEEK_MS = 7 * 86_400_000
KEY, OTHER = "a" * 24, "b" * 24


async def test_scores_add_up_and_halve_every_week(backend: Backend) -> None:
    """An address has its own score; a key passed twice counts twice; a clock that runs back is ignored."""
    now = backend.clock.now_ms()

    async def added(keys: list[str], at_ms: int) -> list[float]:
        return [score.value for score in await backend.scores.add(keys, at_ms)]

    assert await added([KEY, OTHER, KEY], now) == [1, 1, 2]
    assert await added([KEY], now + WEEK_MS) == [2.0]
    assert await added([KEY], now) == [3.0]
    assert await added([OTHER], now + 20 * WEEK_MS) == pytest.approx([1.0], abs=0.002)
    await backend.scores.clear(KEY)
    assert await added([KEY], now) == [1]
    assert await added([], now) == []


async def test_scores_are_restored(backend: Backend) -> None:
    """A restored score is exact and continues to decay; a newer one is kept, a faded one is not restored."""
    now = backend.clock.now_ms()
    (kept,) = await backend.scores.add([KEY], now - WEEK_MS // 3)
    (kept,) = await backend.scores.add([KEY], now)
    await backend.scores.clear(KEY)

    await backend.scores.put({KEY: kept, OTHER: SoftBounceScore(4.0, now - 9 * WEEK_MS)}, now)
    await backend.scores.put({KEY: SoftBounceScore(9.0, now - 1)}, now)
    await backend.scores.put({}, now)

    added = await backend.scores.add([KEY, OTHER], now)
    assert list(added) == [SoftBounceScore(round(kept.value + 1, 6), now), SoftBounceScore(1.0, now)]
