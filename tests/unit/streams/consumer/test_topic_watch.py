"""The watch over a stage's topics before, and while, its consumer can answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.consumer import topic_watch
from streams.consumer.client import Subscription
from streams.consumer.topic_watch import TopicWatch
from streams.kafka.connection import KafkaConnection

SUBSCRIPTION = Subscription(KafkaConnection("127.0.0.1:1"), "g", ["events"])


def session(**consumer: Any) -> Any:
    """Return a session with a consumer of these fields."""
    return SimpleNamespace(consumer=SimpleNamespace(**consumer))


async def test_a_consumer_that_has_not_started_is_left_alone() -> None:
    """Until then aiokafka has no coordinator; the watch must not end the worker for it."""
    watch = TopicWatch(SUBSCRIPTION)
    await watch.measure(session(_coordinator=None))
    assert watch.reason is None


async def test_an_error_of_the_watch_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a broker answers, the stage continues with what it knew."""

    def broken(_: Any) -> Any:
        raise AttributeError("not this version")

    monkeypatch.setattr(topic_watch, "ClusterView", broken)
    watch = TopicWatch(SUBSCRIPTION)
    await watch.measure(session(_coordinator=object(), _client=object()))
    assert watch.reason is None
