"""Reading what strangers send costs no more than its size, however it is made."""

import pytest

from service.pipeline.bounces.mime import LIMITS
from service.pipeline.bounces.read import read_report
from tests.support.cost_growth import assert_linear, assert_no_costlier
from tests.support.expensive_messages import EXPENSIVE, ordinary

pytestmark = pytest.mark.exhaustive
KINDS = sorted(EXPENSIVE)


@pytest.mark.parametrize("kind", KINDS)
def test_double_the_size_costs_about_double(kind: str) -> None:
    """From a quarter of what is read to all of it."""
    assert_linear(EXPENSIVE[kind], read_report, size=LIMITS.octets // 4, doublings=2)


@pytest.mark.parametrize("kind", KINDS)
def test_no_message_costs_ten_times_an_ordinary_one(kind: str) -> None:
    """Both fill what is read."""
    assert_no_costlier(EXPENSIVE[kind](LIMITS.octets), ordinary(LIMITS.octets), read_report)


def test_what_is_beyond_the_limit_costs_nothing() -> None:
    """A message of four times the size costs as much as one of the limit."""
    long, limit = ordinary(4 * LIMITS.octets), ordinary(LIMITS.octets)

    assert_no_costlier(long, limit, read_report, times=1.5)
