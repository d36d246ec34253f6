"""Lines that an input causes are limited; what was left out is counted in the next line."""

from service.observability.log_limit import LogLimit


def test_further_lines_of_a_kind_are_counted() -> None:
    """Each kind has its own limit; the first line of a later second names what was left out."""
    now = 5.0
    limit = LogLimit(3, now=lambda: now)
    assert [limit.admit("a") for _ in range(9)] == [{}] * 3 + [None] * 6
    assert limit.admit("b") == {}
    now = 6.0
    assert [limit.admit("a") for _ in range(2)] == [{"dropped_repeats": 6}, {}]
    assert limit.admit("b") == {}
