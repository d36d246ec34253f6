"""The measurement of cost growth tells linear from quadratic work."""

import pytest

from tests.support.cost_growth import assert_linear, assert_linear_async, assert_no_costlier


def test_linear_work_passes() -> None:
    """A sum over a list costs twice as much for twice the items."""
    assert_linear(lambda size: list(range(size)), sum, size=10_000)


def test_quadratic_work_fails_and_the_message_has_the_times() -> None:
    """A membership test in a list for each of its items costs four times as much for twice the items."""
    with pytest.raises(AssertionError, match=r"each doubling costs [34]\.\d+ times, over 2.5 \(100: "):
        assert_linear(lambda size: list(range(size)), lambda items: [n in items for n in items], size=100)


def test_a_costly_input_is_compared_with_an_ordinary_one() -> None:
    """Ten times the cost of an ordinary input of the same size is allowed, and no more."""
    assert_no_costlier(5_000, 1_000, lambda size: sum(range(size)))
    with pytest.raises(AssertionError, match="an ordinary input takes"):
        assert_no_costlier(50_000, 1_000, lambda size: sum(range(size)))


async def test_coroutines_are_measured_without_their_preparation() -> None:
    """The preparation may be quadratic; what counts is the work."""

    async def prepare(size: int) -> list[int]:
        items = list(range(size))
        assert [n in items for n in items]
        return items

    async def total(items: list[int]) -> int:
        return sum(items * 100)

    await assert_linear_async(prepare, total, size=200, doublings=2)
