"""docs/how-to/move-clusters.md: Tocsin's topics are copied to another cluster, and Redis is filled from there.

The other cluster is the same broker with other topics and groups: their ids and offsets are as new as anywhere.
"""

import asyncio
import time
from datetime import UTC, datetime

import pytest
import redis
from aiokafka import AIOKafkaProducer

from service.dev.seeding import seed
from service.model.ledger import State
from streams.topics.table import TOPICS
from tests.e2e.test_rebuild import ALL_STAGES, SOURCE, ledger_of, overbid
from tests.support.completeness import mark_complete
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

_HELD = {"deliverat": datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()}


@pytest.mark.deployment
async def test_nothing_is_lost_or_repeated_in_another_cluster() -> None:
    """The rebuilt ledger is the old one, what was sent is not sent again, and what waited is sent there, once."""
    async with RealPipeline() as old, RealPipeline() as new:
        _empty_redis(old)
        await mark_complete(old.parts.store)
        assert await seed(old.parts.table_writer(old.producer), old.parts.catalogue)
        worker = old.start_worker(ALL_STAGES)
        await old.publish(
            overbid("1", "alice", "bob"), overbid("2", "carol"), overbid("held", "bob", lot="7") | _HELD
        )
        for event_id in ("1", "2"):
            await old.wait_until_finished(SOURCE, event_id)
        await _wait_until_held(old)
        worker.terminate()
        await asyncio.to_thread(worker.wait, 60)
        rows, sent = await ledger_of(old), old.mail_counts()

        await _mirror(old, new)
        _empty_redis(new)
        code, _, output = await new.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        assert await ledger_of(new) == rows

        new.start_worker(ALL_STAGES)
        await new.publish(overbid("3", "alice", lot="8"))
        await new.wait_until_finished(SOURCE, "3")
        code, _, output = await new.tocsin("due", "release", "--event", "held", "--yes")
        assert code == 0, output
        entries = await new.wait_until_finished(SOURCE, "held")
        assert {entry.state for entry in entries} == {State.sent, State.delivered}
        assert not new.mail_counts().keys() & sent.keys()
        assert set(new.mail_counts().values()) == {1}
        assert sorted(address for address, _ in new.mail_counts()) == [
            *("alice@example.com", "bob@example.com"),
            *["carol@example.com"] * 2,  # an administrator is mailed too
        ]
        code, _, output = await new.tocsin("audit")
        assert code == 0, output


async def _wait_until_held(pipeline: RealPipeline) -> None:
    async def held() -> bool:
        return {entry.state for entry in await pipeline.entries(SOURCE, "held")} == {State.held}

    await eventually(held, 60)


async def _mirror(old: RealPipeline, new: RealPipeline) -> None:
    """Copy the records of every topic of Tocsin's own, with keys, headers and times."""
    producer = AIOKafkaProducer(bootstrap_servers=new.settings.kafka.bootstrap)
    await producer.start()
    try:
        for topic in TOPICS:
            for record in await old.records(old.settings.kafka.prefix + topic.name):
                await producer.send_and_wait(
                    new.settings.kafka.prefix + topic.name,
                    record.value,
                    key=record.key,
                    headers=list(record.headers),
                    timestamp_ms=record.timestamp,
                )
    finally:
        await producer.stop()


def _empty_redis(pipeline: RealPipeline) -> None:
    """Remove every key of the pipeline."""
    with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
        for key in client.scan_iter(match=f"{pipeline.settings.redis.prefix}*", count=1000):
            client.delete(key)
