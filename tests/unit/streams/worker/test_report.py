"""Counts within a span of time, as reports of workers have them."""

from streams.worker.report import RecentCount


def test_a_rate_is_over_the_last_minute_only() -> None:
    """What was counted before the span plays no part."""
    count = RecentCount(60_000, 0)
    for second in range(0, 121, 2):
        count.note(1000 if second <= 60 else 1000 + (second - 60) * 5, second * 1000)

    assert count.rate == 5.0
    assert count.grown == 300


def test_a_rate_of_a_worker_that_has_just_started() -> None:
    """It is over the time since its start, and nothing is counted at the start."""
    count = RecentCount(60_000, 1000)
    assert (count.rate, count.grown_since_ms) == (0.0, None)
    count.note(10, 3000)
    assert (count.rate, count.grown, count.grown_since_ms) == (5.0, 10, 3000)


def test_growth_has_a_beginning_until_it_leaves_the_span() -> None:
    """Dead letters of the last ten minutes are named with the first of them."""
    count = RecentCount(10_000, 0)
    count.note(0, 2000)
    count.note(2, 4000)
    count.note(2, 12_000)
    assert (count.grown, count.grown_since_ms) == (2, 4000)
    count.note(2, 15_000)
    assert (count.grown, count.grown_since_ms) == (0, None)
