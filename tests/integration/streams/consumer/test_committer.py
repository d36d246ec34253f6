"""Failed commits on a real broker."""

from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition

from streams.consumer.committer import Committer
from streams.consumer.partition import Partition
from tests.integration.streams.rig import Rig
from tests.support.wait import eventually


async def test_a_committer_that_fails_ends_the_session(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not Kafka's ends the session, not only the commits: the next one commits all the same."""
    rig = Rig(kafka)
    await rig.create()
    commit, failed = Committer.commit, []

    async def once(self: Committer, partitions: Mapping[TopicPartition, Partition]) -> None:
        if not failed and any(
            partition.offsets.uncommitted_offset is not None for partition in partitions.values()
        ):
            failed.append(True)
            raise OSError("no route")
        await commit(self, partitions)

    monkeypatch.setattr(Committer, "commit", once)

    async def all_committed() -> bool:
        return await rig.committed(rig.source) == 200

    async with rig.producer() as producer:
        await rig.feed(producer, range(100))
        async with rig.stage(rig.through, producer):
            await eventually(lambda: bool(failed), 60)
            await rig.feed(producer, range(100, 200))
            await eventually(all_committed, 90)
