"""A replica that is some seconds behind is promoted: what it lacks is read again from Kafka first (ADR 11)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service.dev import samples
from service.dev.ports import free_port
from service.dev.seeding import seed
from service.model.ledger import State
from service.model.recipient import Choice
from service.ports import Unavailable
from service.settings import RedisSettings
from tests.e2e.test_rebuild import SOURCE, ledger_of, overbid, read_marker, reads_of
from tests.support.completeness import mark_complete
from tests.support.readiness import not_ready_reasons, wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.redis_cluster import EmbeddedCluster
from tests.support.replicated_valkey import ReplicatedValkey
from tests.support.wait import eventually

ALL_STAGES = "resolve,inbox,email,schedule,tables"
DEFERRED = "deferred@simulator.test"


async def wait_for_checkpoint(pipeline: RealPipeline, age_ms: int) -> None:
    """Wait until there is a checkpoint that is so old: a catch-up begins there."""
    history, clock = pipeline.parts.history, pipeline.parts.clock

    async def there() -> bool:
        return await history.checkpoint_until(clock.now_ms() - age_ms) is not None

    await eventually(there, 90)


async def wait_until_caught_up(pipeline: RealPipeline) -> None:
    """Wait until a catch-up has ended."""

    async def ended() -> bool:
        with suppress(Unavailable):  # until this client has found the new server too
            last = await pipeline.parts.history.last_catch_up()
            return last is not None and last.ended_ms > 0
        return False

    await eventually(ended, 90)


async def wait_until_published(pipeline: RealPipeline, ledger: Mapping[tuple[str, str], Any]) -> None:
    """Wait until the newest state of every delivery is in Kafka, where a catch-up reads it."""
    newest = {(delivery, steps[0][0]) for (_, delivery), (*_, steps) in ledger.items()}
    await pipeline.wait_for_outcomes(lambda outcomes: newest <= {(o.delivery, o.state) for o in outcomes})


async def _says_so(probe: str) -> bool:
    reasons = await not_ready_reasons(probe)
    return all(
        "again from Kafka" in reasons.get(stage, "") for stage in ("resolve", "email.high", "schedule")
    )


async def change(pipeline: RealPipeline, name: str, **fields: Any) -> None:
    """Write a recipient's row as the API does."""
    writer = pipeline.parts.table_writer(pipeline.producer)
    base = samples.RECIPIENTS[0].model_copy(update={"id": name, "preferences": {}})
    await writer.recipient(name, lambda row: (row or base).model_copy(update=fields))


async def state_of(
    pipeline: RealPipeline, event_id: str, recipient: str, channel: str = "email"
) -> State | None:
    entries = await pipeline.entries(SOURCE, event_id)
    return next((e.state for e in entries if (e.recipient, e.channel) == (recipient, channel)), None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("since", ["the beginning", "a checkpoint"])
async def test_nothing_of_the_gap_is_lost_or_sent_twice(tmp_path: Path, since: str) -> None:
    """Opt-outs, addresses, deferred mail, read marks and every row of the ledger are as they were; it is explained."""
    async with (
        ReplicatedValkey(tmp_path) as servers,
        RealPipeline(redis=RedisSettings(url=SecretStr(servers.url))) as pipeline,
    ):
        await servers.command(servers.primary, "FLUSHALL")
        await mark_complete(pipeline.parts.store)
        assert await seed(pipeline.parts.table_writer(pipeline.producer), pipeline.parts.catalogue)
        port = free_port()
        pipeline.start_worker(ALL_STAGES, TOCSIN_WORKER__METRICS_PORT=str(port))
        probe = f"http://127.0.0.1:{port}/readyz"
        await wait_until_ready(probe)
        await pipeline.publish(*(overbid(f"a{n}", "alice", "bob", lot=f"a{n}") for n in range(20)))
        for n in range(20):
            await pipeline.wait_until_finished(SOURCE, f"a{n}")
        await wait_for_checkpoint(pipeline, 0 if since == "the beginning" else 42_000)
        await servers.wait_until_replicated()

        servers.hold_replication()
        await change(pipeline, "alice", preferences={"overbid:email": Choice(on=False)})
        await change(pipeline, "bob", address="new-bob@example.com")
        await change(pipeline, "waiting", address=DEFERRED)
        await pipeline.publish(*(overbid(f"g{n}", "bob", lot=f"g{n}") for n in range(20)))
        await pipeline.publish(overbid("w", "waiting", lot="w"))
        for n in range(20):
            await pipeline.wait_until_finished(SOURCE, f"g{n}")
        await pipeline.wait_until_deferred(SOURCE, "w", "waiting")
        await read_marker(pipeline).mark_all("bob")
        before, reads = await ledger_of(pipeline), await reads_of(pipeline.parts)
        await wait_until_published(pipeline, before)
        due_ms = await pipeline.parts.due.oldest_ms()
        mails = len(pipeline.catcher.mails)
        await servers.fail_over()

        await pipeline.publish(overbid("new", "alice", "bob", lot="new"))
        await eventually(lambda: _says_so(probe), 30)
        await wait_until_caught_up(pipeline)
        await wait_until_ready(probe)
        await pipeline.wait_until_finished(SOURCE, "new")
        assert await state_of(pipeline, "new", "alice") is State.skipped, "the opt-out of the gap is undone"
        after = await ledger_of(pipeline)
        assert {name: after.get(name) for name in before} == before
        assert await pipeline.parts.due.oldest_ms() == due_ms
        now_read = await reads_of(pipeline.parts)
        assert {i.id for i in reads["bob"][2]} <= {i.id for i in now_read["bob"][2]}

        await pipeline.publish(*(overbid(f"g{n}", "bob", lot=f"g{n}") for n in range(20)))
        await pipeline.publish(overbid("last", "bob", lot="last"))
        await pipeline.wait_until_finished(SOURCE, "last")
        mailed = pipeline.mail_counts()
        assert set(mailed.values()) == {1}, "a repeat of an event of the gap was mailed again"
        assert len(pipeline.catcher.mails) == mails + 4
        caught_up = await pipeline.parts.history.last_catch_up()
        assert caught_up is not None
        assert (caught_up.cause, bool(caught_up.since_ms)) == ("another_server", since == "a checkpoint")
        assert caught_up.ended_ms > caught_up.began_ms
        assert not await not_ready_reasons(probe)


@pytest.mark.timeout(400)
async def test_a_cluster_primary_is_killed_whose_replica_is_behind(tmp_path: Path) -> None:
    """Only its slots went back: what they lack is read again, and the other servers' rows stay as they are."""
    cluster = EmbeddedCluster(tmp_path, replicas=1)
    await asyncio.to_thread(cluster.__enter__)
    try:
        redis = RedisSettings(url=SecretStr(cluster.url()), cluster=True)
        async with RealPipeline(redis=redis) as pipeline:
            port = free_port()
            pipeline.start_worker(
                ALL_STAGES, TOCSIN_WORKER__METRICS_PORT=str(port), TOCSIN_REDIS__CLUSTER="true"
            )
            await wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            await pipeline.publish(*(overbid(f"a{n}", "alice", "bob", lot=f"a{n}") for n in range(20)))
            for n in range(20):
                await pipeline.wait_until_finished(SOURCE, f"a{n}")
            await wait_for_checkpoint(pipeline, 5000)
            victim = await asyncio.to_thread(cluster.primary_of, 0)
            await asyncio.to_thread(cluster.hold_replication, victim)
            await pipeline.publish(*(overbid(f"g{n}", "bob", lot=f"g{n}") for n in range(40)))
            for n in range(40):
                await pipeline.wait_until_finished(SOURCE, f"g{n}")
            await change(pipeline, "carol", preferences={"overbid:email": Choice(on=False)})
            before = await ledger_of(pipeline)
            await wait_until_published(pipeline, before)
            await asyncio.to_thread(victim.kill)
            await wait_until_caught_up(pipeline)
            await wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            after = await ledger_of(pipeline)
            assert {name: after.get(name) for name in before} == before
            await pipeline.publish(*(overbid(f"g{n}", "bob", lot=f"g{n}") for n in range(40)))
            await pipeline.publish(overbid("last", "bob", lot="last"))
            await pipeline.wait_until_finished(SOURCE, "last")
            assert await state_of(pipeline, "last", "carol") is State.skipped
            assert set(pipeline.mail_counts().values()) == {1}
    finally:
        await asyncio.to_thread(cluster.stop)
