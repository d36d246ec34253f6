"""The plan: the differences between the table and a cluster, for `apply` and for the status."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from streams.topics.apply import _add_partitions, _set
from streams.topics.plan import TopicPlan, plan_topics
from streams.topics.status import _status

OWN, DEFAULT = 1, 5


class Admin:
    """A cluster in which `dispatch.inbox` was created by hand with one partition, and only `events` exists besides."""

    def __init__(self) -> None:
        self.described: list[str] = []
        self.altered: list[dict[str, str]] = []
        self.partitions: list[str] = []
        self.behind = 0

    async def describe_topics(self) -> list[dict[str, Any]]:
        one = {"replicas": [1], "leader": 1, "error_code": 0}
        return [{"topic": name, "partitions": [one]} for name in ("events", "dispatch.inbox")]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        self.described = [resource.name for resource in resources]
        if self.behind:
            self.behind -= 1
            return [SimpleNamespace(resources=[(3, "", 2, name, []) for name in self.described])]
        entries = [
            ("cleanup.policy", "delete", False, DEFAULT),
            ("retention.ms", "1000", False, OWN),
            ("segment.ms", "600000", False, OWN),
            ("segment.bytes", "1000000", False, OWN),
        ]
        return [SimpleNamespace(resources=[(0, "", 2, name, entries) for name in self.described])]

    async def create_partitions(self, partitions: dict[str, Any]) -> None:
        self.partitions += partitions

    async def alter_configs(self, resources: list[Any]) -> list[Any]:
        self.altered = [resource.configs for resource in resources]
        return [SimpleNamespace(resources=[(0, "", 2, "dispatch.inbox")])]


async def inbox(admin: Admin) -> TopicPlan:
    """The plan of `dispatch.inbox`."""
    plans = await plan_topics(admin, "", partitions=3, events=["events"])
    return {plan.name: plan for plan in plans}["dispatch.inbox"]


async def test_the_status_shows_settings_that_are_not_in_force() -> None:
    """A default that is the wanted value is no difference; then come the partitions."""
    status = _status(await inbox(Admin()))

    assert status.differs == (
        "message.timestamp.type None -> LogAppendTime, segment.ms 600000 -> 86400000, "
        "retention.ms 1000 -> 7776000000, partitions 1 -> 3"
    )
    assert (status.partitions, status.replication, status.cleanup) == (1, 1, "delete")


async def test_a_broker_that_does_not_know_a_new_topic_is_waited_for() -> None:
    """Each request goes to any broker of a cluster, and the others learn of a topic after its first one."""
    admin = Admin()
    admin.behind = 2

    assert (await inbox(admin)).settings.own["retention.ms"] == "1000"
    assert admin.behind == 0


async def test_apply_sets_defaults_too_and_keeps_settings_that_are_not_ours() -> None:
    """A default may change, so it is set; AlterConfigs replaces all settings, so the operator's are sent along."""
    admin = Admin()
    plan = await inbox(admin)

    assert list(await _add_partitions(admin, plan)) == [
        "partitions 1 -> 3; the order of a key's records is not kept across the change"
    ]
    assert list(await _set(admin, plan)) == [
        "cleanup.policy unset -> delete",
        "message.timestamp.type unset -> LogAppendTime",
        "segment.ms 600000 -> 86400000",
        "retention.ms 1000 -> 7776000000",
    ]
    assert admin.partitions == ["dispatch.inbox"]
    assert admin.altered == [
        {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": "7776000000",
            "segment.ms": "86400000",
            "segment.bytes": "1000000",
        }
    ]


async def test_topics_of_upstream_services_keep_their_settings() -> None:
    """They are grown, and their settings are described only for the status: we may not be allowed to."""
    admin = Admin()
    events, *_ = await plan_topics(admin, "", partitions=3, events=["events"])

    assert (events.name, events.missing, events.too_few_partitions) == ("events", False, True)
    assert (events.to_set(), events.not_in_force()) == ({}, {})
    assert admin.described == ["dispatch.inbox"]
    await plan_topics(admin, "", partitions=3, events=["events"], describe_events=True)
    assert admin.described == ["events", "dispatch.inbox"]


async def test_replicas_in_sync_are_required_where_there_are_enough_replicas() -> None:
    """Also of an upstream topic that is created; on a topic with too few replicas, Kafka would accept no write."""
    plans = await plan_topics(Admin(), "", partitions=3, events=["events", "more"], min_insync_replicas=2)
    required = {plan.name: plan.config.get("min.insync.replicas") for plan in plans}

    assert (required["events"], required["more"]) == (None, "2")
    assert (required["dispatch.inbox"], required["dispatch.outcomes"]) == (None, "2")
    one = {plan.name: plan for plan in plans}["dispatch.inbox"]
    assert replace(one, replication=2).to_set()["min.insync.replicas"] == "2"
