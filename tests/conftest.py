"""Fixtures that any test may ask for; what they start is in `tests/stack.py`."""

import pytest
import redis

from service.dev import ports
from tests.stack import shared_kafka, shared_valkey


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
