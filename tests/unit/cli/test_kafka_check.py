"""Doctor's view of the replicas of topics."""

import pytest

from service.cli.checks import Status
from service.cli.checks.kafka import _replication
from service.settings import KafkaSettings
from streams.topics.status import TopicStatus


def _topic(name: str, replication: int, min_insync_replicas: int) -> TopicStatus:
    return TopicStatus(name, "key", 6, replication, "delete", 7.0, "", min_insync_replicas)


@pytest.mark.parametrize(
    ("topics", "status", "detail"),
    [
        ([_topic("a", 3, 2), _topic("b", 3, 2)], Status.ok, "3 replicas, of which 2 must be in sync"),
        ([_topic("a", 3, 2), _topic("b", 1, 1)], Status.warn, "fewer than 3 replicas: b (1)"),
        ([_topic("a", 3, 2), _topic("b", 3, 1)], Status.warn, "when one broker has it: b"),
    ],
)
def test_what_the_loss_of_a_broker_would_cost(topics: list[TopicStatus], status: Status, detail: str) -> None:
    """Topics with too few replicas are named, and those where one broker's acknowledgement is enough."""
    (finding,) = _replication(topics, KafkaSettings(replication=3))

    assert finding.status is status
    assert detail in finding.detail


def test_one_replica_is_no_finding() -> None:
    """Where one replica is all that is asked for, there is nothing to compare."""
    assert list(_replication([_topic("a", 1, 1)], KafkaSettings())) == []
