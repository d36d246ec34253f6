"""Fixtures that any test may ask for; what they start is in `tests/support/stack.py`."""

import pytest
import redis
from hypothesis import settings

from service.dev import ports
from tests.support.stack import shared_kafka, shared_valkey

# The same examples in every run, whatever was found before, and no deadline: a change is not blamed for another's
# luck, nor for a busy machine. `--hypothesis-profile=default` looks for new ones.
settings.register_profile("same", derandomize=True, database=None, deadline=None, print_blob=True)
settings.load_profile("same")


@pytest.fixture
def kafka() -> str:
    """host:port of the run's shared Kafka broker; use topic and group names of your own."""
    return shared_kafka().bootstrap


@pytest.fixture
def valkey_url() -> str:
    """URL of the run's shared Valkey, empty."""
    url = shared_valkey().url
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody listens on."""
    return ports.free_port()
