"""Redis is emptied under a running pipeline: nothing is sent, and `tocsin rebuild` restores everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.inbox.rows import id_bytes
from service.adapters.redis.operate.inventory import TableCount, inventory
from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
from service.bootstrap.parts import Parts
from service.dev import samples
from service.dev.ports import free_port
from service.dev.seeding import seed
from service.model.ids import address_key, event_key
from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.inbox.mark_read import ReadMarker
from service.ports import InboxQuery, ReadFilter
from tests.support.completeness import mark_complete
from tests.support.readiness import not_ready_reasons, wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

ALL_STAGES = "resolve,inbox,email,schedule,tables"
SOURCE = "/e2e"
_REFUSED, _DEFERRED = "bounced@simulator.test", "deferred@simulator.test"


def overbid(event_id: str, *recipients: str, lot: str = "9") -> dict[str, Any]:
    return {
        "id": event_id, "source": SOURCE, "type": "overbid", "recipients": list(recipients), "data": {"lot_id": lot},
    }  # fmt: skip


@asynccontextmanager
async def seeded_pipeline(**variables: str) -> AsyncIterator[tuple[RealPipeline, str]]:
    """Yield a pipeline with a worker, whose tables were written as the API writes them; and the worker's probe URL."""
    async with RealPipeline(variables=variables) as pipeline:
        with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
            client.flushall()
        await mark_complete(pipeline.parts.store)
        assert await seed(pipeline.parts.table_writer(pipeline.producer), pipeline.parts.catalogue)
        port = free_port()
        pipeline.start_worker(ALL_STAGES, TOCSIN_WORKER__METRICS_PORT=str(port))
        yield pipeline, f"http://127.0.0.1:{port}/readyz"


def flush(pipeline: RealPipeline) -> None:
    """Empty Redis by FLUSHALL."""
    with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
        client.flushall()


def read_marker(pipeline: RealPipeline) -> ReadMarker:
    """Return the marker by which the API marks entries read."""
    parts = pipeline.parts
    reads = RedisInboxReads(parts.store, parts.clock)
    return ReadMarker(parts.inbox, reads, pipeline.producer, parts.topics, parts.clock)


async def reads_of(parts: Parts) -> dict[str, Any]:
    """Return what the API shows of every inbox."""
    reads = RedisInboxReads(parts.store, parts.clock)
    return {
        name: (
            await parts.inbox.counts(name),
            await parts.inbox.unread(name),
            (await reads.page(InboxQuery(name, ReadFilter.read, limit=10_000))).items,
        )
        for name in ("alice", "bob", "carol")
    }


async def histories_of(pipeline: RealPipeline) -> dict[str, Any]:
    """Return heads of some events, and every delivery's steps without their details, as `explain` shows them."""
    histories: dict[str, Any] = {}
    for event_id in ("h0", "g", "r1", "later"):
        head = dict(await pipeline.parts.ledger.head(event_key(SOURCE, event_id)) or {})
        steps = {
            (e.recipient, e.channel): [(s.state, s.reason, s.attempt) for s in e.steps]
            for e in await pipeline.entries(SOURCE, event_id)
        }
        fields = ("type", "source", "id", "time_ms", "received_ms", "external_id")
        histories[event_id] = ({name: head.get(name) for name in fields}, steps)
    return histories


async def ledger_of(pipeline: RealPipeline) -> dict[tuple[str, str], Any]:
    """Return every row of the ledger whole, without the claims, of which there are no outcomes."""
    scan = RedisLedgerScan(pipeline.parts.store, pipeline.parts.clock)
    rows: dict[tuple[str, str], Any] = {}
    async for entries, unreadable in scan.ledger():
        assert not unreadable
        for entry in entries:
            steps = [
                (step.state, step.reason, step.at_ms, step.attempt, step.detail)
                for step in entry.steps
                if step.state is not State.sending
            ]
            rows[entry.event, entry.delivery] = (
                entry.recipient,
                entry.channel,
                entry.rule,
                entry.matched,
                steps,
            )
    return rows


async def stable_inventory(pipeline: RealPipeline) -> list[TableCount]:
    """Wait until rows and checksums of all tables have not changed for half a second; return them."""
    before: list[TableCount] = []
    same = 0
    while same < 5:
        now = await inventory(pipeline.parts.store)
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
    return before


async def create_history(pipeline: RealPipeline) -> None:
    """Create sent, bounced, deferred and skipped mail, entries marked read one by one and all at once, suppressions."""
    writer = pipeline.parts.table_writer(pipeline.producer)
    for name, address in (("bouncing", _REFUSED), ("waiting", _DEFERRED)):
        await writer.recipient(
            name,
            lambda _, a=address, n=name: samples.RECIPIENTS[0].model_copy(update={"id": n, "address": a}),
        )
    await pipeline.publish(*(overbid(f"h{n}", "alice", "bob", "unknown", lot=str(n)) for n in range(20)))
    await pipeline.publish({"id": "g", "source": SOURCE, "type": "invoice_available", "external_id": "12345"})
    for n in range(20):
        await pipeline.wait_until_finished(SOURCE, f"h{n}")
    await pipeline.wait_until_finished(SOURCE, "g")
    await pipeline.publish(overbid("r1", "bouncing", "waiting"))

    await pipeline.wait_until_deferred(SOURCE, "r1", "waiting")
    states = {(e.recipient, e.channel): e.state for e in await pipeline.entries(SOURCE, "r1")}
    assert states["bouncing", "email"] is State.bounced
    unread = await pipeline.parts.inbox.unread("alice")
    await read_marker(pipeline).mark("alice", [item.id for item in unread[:5]] + ["no-such-entry"])
    assert await read_marker(pipeline).mark_all("bob") == 20
    await pipeline.publish(overbid("later", "bob", lot="x"))
    await pipeline.wait_until_finished(SOURCE, "later")
    await writer.suppress("eve@example.com", Reason.bounce_received, "550 <eve@example.com>")
    await writer.suppress("mallory@example.com", Reason.complaint_received)
    assert await writer.unsuppress("mallory@example.com")


@pytest.mark.timeout(300)
async def test_flushall_stops_everything_and_rebuild_restores_it() -> None:
    """Nothing is sent in between, `/readyz` names the command, checksums and reads are equal, and new events flow."""
    async with seeded_pipeline() as (pipeline, probe):
        await wait_until_ready(probe)
        await create_history(pipeline)
        before, reads = await stable_inventory(pipeline), await reads_of(pipeline.parts)
        rows = {one.table: one.rows for one in before}
        assert rows["recipients"] == 5
        assert rows["suppressions"] == 2
        assert rows["inbox"] == 20 + 21 + 22 + 2
        assert rows["due"] == 1
        due_ms, histories = await pipeline.parts.due.oldest_ms(), await histories_of(pipeline)
        ledger = await ledger_of(pipeline)
        mails = len(pipeline.catcher.mails)

        flush(pipeline)
        await pipeline.publish(*(overbid(f"n{n}", "alice", "bob", lot=f"n{n}") for n in range(50)))

        async def paused() -> bool:
            reasons = await not_ready_reasons(probe)
            stages = ("resolve", "inbox", "email.high", "email.normal", "email.bulk", "tables")
            return all("tocsin rebuild" in reasons.get(stage, "") for stage in stages)

        await eventually(paused, 60)
        code, sums, _ = await pipeline.tocsin("rebuild", "--checksums", "--json")
        assert code == 0
        assert {one["rows"] for one in sums} == {0}, "something was written while the stages were paused"
        assert len(pipeline.catcher.mails) == mails

        # Without a worker the new events wait, so that the restored state can be compared with the one before.
        worker = pipeline.workers[0]
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
        assert len(pipeline.catcher.mails) == mails
        code, documents, output = await pipeline.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        assert documents[0]["refused"] == {}
        after = await inventory(pipeline.parts.store)
        assert after == before
        assert [(s["table"], s["rows"], s["checksum"]) for s in documents[1:]] == [
            (s.table, s.rows, s.checksum) for s in before
        ]
        assert await reads_of(pipeline.parts) == reads
        assert await pipeline.parts.due.oldest_ms() == due_ms
        assert await histories_of(pipeline) == histories
        assert await ledger_of(pipeline) == ledger
        assert len(pipeline.catcher.mails) == mails, "no mail in between"

        pipeline.start_worker(ALL_STAGES)
        for n in range(50):
            await pipeline.wait_until_finished(SOURCE, f"n{n}")
        assert set(pipeline.mail_counts().values()) == {1}
        assert len(pipeline.catcher.mails) == mails + 3 * 50

        # The checksums detect a fault: a suppression less, and an entry less in an inbox.
        with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
            intact = await stable_inventory(pipeline)
            client.delete(pipeline.parts.store.keys.suppressed(address_key("eve@example.com")))
            (entry, *_) = await pipeline.parts.inbox.unread("alice")
            client.hdel(pipeline.parts.store.keys.inbox("alice"), id_bytes(entry.id))
        differing = {
            a.table for a, b in zip(intact, await inventory(pipeline.parts.store), strict=True) if a != b
        }
        assert differing == {"suppressions", "inbox"}


@pytest.mark.timeout(300)
async def test_flushall_during_work_loses_and_doubles_nothing() -> None:
    """Mail is in flight and batches are half done when Redis is emptied; the worker runs on during the rebuild."""
    async with seeded_pipeline() as (pipeline, probe):
        await wait_until_ready(probe)
        count = 900
        await pipeline.publish(*(overbid(f"m{n}", "alice", "bob", lot=f"m{n}") for n in range(count)))
        await eventually(lambda: _mails(pipeline, count // 3), 60)
        flush(pipeline)

        async def paused() -> bool:
            reasons = await not_ready_reasons(probe)
            return "resolve" in reasons and "email.high" in reasons

        await eventually(paused, 60)
        await wait_until_no_mail_is_sent(pipeline)
        stopped_at = len(pipeline.catcher.mails)
        assert stopped_at < 3 * count, "all mail was sent before Redis was emptied"
        code, _, output = await pipeline.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        for n in range(count):
            await pipeline.wait_until_finished(SOURCE, f"m{n}", timeout_s=90)

        mailed = pipeline.mail_counts()
        assert len(mailed) == 3 * count
        assert set(mailed.values()) == {1}
        for final in (State.sent, State.delivered):
            await pipeline.wait_for_outcomes(
                lambda outcomes, f=final: len({o.delivery for o in outcomes if o.state is f}) == 3 * count
            )
        assert await pipeline.parts.inbox.counts("alice") == {"overbid": count}


async def _mails(pipeline: RealPipeline, count: int) -> bool:
    return len(pipeline.catcher.mails) >= count


async def wait_until_no_mail_is_sent(pipeline: RealPipeline) -> None:
    """Wait until no message has arrived for a second: mail in flight was answered."""
    before, same = -1, 0
    while same < 10:
        now = len(pipeline.catcher.mails)
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
