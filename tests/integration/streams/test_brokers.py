"""Three brokers: topics have their replicas, and neither a leader that moves nor one that dies stops a stage."""

import asyncio
from pathlib import Path

from streams.kafka.connection import KafkaConnection
from streams.topics.apply import apply
from tests.integration.streams.rig import QUICK, Rig
from tests.support.kafka_cluster import EmbeddedKafkaCluster
from tests.support.wait import eventually


async def test_records_survive_the_leader(tmp_path: Path) -> None:
    """Every leader moves, then the new one of a partition is killed: each record is handled, and none is lost."""
    async with EmbeddedKafkaCluster(tmp_path) as cluster:
        await _assert_replicas_are_applied(cluster)
        rig = Rig(cluster.bootstrap)
        await rig.create(replication=cluster.replication)
        async with rig.producer() as producer, rig.stage(rig.through, producer, limits=QUICK) as stage:
            await rig.feed(producer, range(100))
            await eventually(lambda: stage.health().finished == 100)
            before = await cluster.leader(rig.source)
            await cluster.move_leaders([rig.source, rig.sink])
            leader = await cluster.leader(rig.source)
            assert leader != before
            await rig.feed(producer, range(100, 200))
            await eventually(lambda: stage.health().finished == 200)
            await asyncio.to_thread(cluster.brokers[leader].kill)
            await rig.feed(producer, range(200, 300))
            await eventually(lambda: stage.health().finished >= 300, 60)
            await asyncio.to_thread(cluster.brokers[leader].start)
            await cluster.wait_until_in_sync()
        assert set(await rig.count(rig.sink)) == set(range(300))


async def _assert_replicas_are_applied(cluster: EmbeddedKafkaCluster) -> None:
    """Create the topics of the table and an upstream's with three replicas; a second run has nothing to do."""
    for done in ("created", "unchanged"):
        changes = await apply(
            KafkaConnection(cluster.bootstrap), partitions=2, replication=3, min_insync_replicas=2
        )
        assert {change.done for change in changes} == {done}
    described = await cluster.partitions(("events", "dispatch.inbox"))
    assert {len(p["replicas"]) for rows in described.values() for p in rows} == {3}
