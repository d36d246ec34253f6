"""Fixtures of all tests; the servers that they start are in `tests/support/stack.py`."""

import gc
import os
from collections import Counter

import pytest
import redis
from hypothesis import settings

from service.dev import ports
from tests.support.stack import shared_kafka, shared_valkey

# The same examples in every run and no deadline, so that a failure comes from the change under test and neither from
# random examples nor from a busy machine. `--hypothesis-profile=default` searches for new examples.
settings.register_profile("same", derandomize=True, database=None, deadline=None, print_blob=True)
settings.load_profile("same")


_PORTS_OF_WORKER = 4_000


def pytest_configure() -> None:
    """Give each parallel worker ports of its own: one that a test has found free may be in use a moment later."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    first = ports.FREE_RANGE[0] + number * _PORTS_OF_WORKER
    ports.FREE_RANGE = range(first, first + _PORTS_OF_WORKER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test an id of its own: workers that run in parallel choose their tests by it.

    All tests that schemathesis generates from one function have the function's id.
    """
    count = Counter(item.nodeid for item in items)
    for item in items:
        if count[item.nodeid] > 1:
            item._id = item.id.with_params(item.name)


def pytest_collection_finish() -> None:
    """Exclude the imported modules and the collected tests from garbage collection: it takes a tenth of a run."""
    gc.freeze()


@pytest.fixture
def kafka() -> str:
    """Return host:port of the run's shared Kafka broker; use topic and group names of your own."""
    return shared_kafka().bootstrap


@pytest.fixture
def valkey_url() -> str:
    """Return the URL of the run's shared Valkey, emptied."""
    url = shared_valkey().url
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def free_port() -> int:
    """Return a loopback port that is not in use."""
    return ports.free_port()
