"""What SoftBounces promises."""

import pytest

from tests.specs.backend import Backend

WEEK_MS = 7 * 86_400_000
KEY, OTHER = "a" * 24, "b" * 24


async def test_scores_add_up_and_halve_every_week(backend: Backend) -> None:
    """Each address has its own score; a key named twice counts twice; a clock that goes back adds nothing."""
    now = backend.clock.now_ms()

    assert list(await backend.scores.add([KEY, OTHER, KEY], now)) == [1, 1, 2]
    assert list(await backend.scores.add([KEY], now + WEEK_MS)) == pytest.approx([2.0], abs=0.002)
    assert list(await backend.scores.add([KEY], now)) == pytest.approx([3.0], abs=0.002)
    assert list(await backend.scores.add([OTHER], now + 20 * WEEK_MS)) == pytest.approx([1.0], abs=0.002)
    await backend.scores.clear(KEY)
    assert list(await backend.scores.add([KEY], now)) == [1]
    assert list(await backend.scores.add([], now)) == []
