"""Redis is emptied on a running line: nothing is sent, `tocsin rebuild` brings all of it back."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.operate.inventory import TableCount, inventory
from service.bootstrap import Parts
from service.dev import samples
from service.dev.ports import free_port
from service.dev.seeding import seed
from service.model.ids import address_key, event_key
from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.inbox.mark_read import ReadMarker
from service.ports import InboxQuery, ReadFilter
from tests.support.paths import ROOT
from tests.support.readiness import ready, reasons
from tests.support.real_pipeline import RealPipeline, eventually

ALL = "resolve,inbox,email,schedule,tables"
SOURCE = "/e2e"
_REFUSED, _DEFERRED = "bounced@simulator.test", "deferred@simulator.test"


def overbid(event_id: str, *recipients: str, lot: str = "9") -> dict[str, Any]:
    return {
        "id": event_id, "source": SOURCE, "type": "overbid", "recipients": list(recipients), "data": {"lot_id": lot},
    }  # fmt: skip


@asynccontextmanager
async def fed_line(**variables: str) -> AsyncIterator[tuple[RealPipeline, str]]:
    """A line whose tables were filled as the API fills them, with a worker; and where that worker is probed."""
    async with RealPipeline(variables=variables) as line:
        with redis.Redis.from_url(line.settings.redis.url.get_secret_value()) as client:
            client.flushall()
        await line.parts.tables.mark_complete()
        assert await seed(line.parts.table_writer(line.publisher), line.parts.catalogue)
        port = free_port()
        line.start_worker(ALL, TOCSIN_WORKER__METRICS_PORT=str(port))
        yield line, f"http://127.0.0.1:{port}/readyz"


async def tocsin(line: RealPipeline, *arguments: str) -> tuple[int, list[Mapping[str, Any]], str]:
    """Run a verb: its exit code, its JSON Lines, its stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", *arguments,
        cwd=ROOT, env=line.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return (
        process.returncode or 0,
        [json.loads(row) for row in out.splitlines() if row[:1] == b"{"],
        err.decode(),
    )


def flush(line: RealPipeline) -> None:
    """FLUSHALL."""
    with redis.Redis.from_url(line.settings.redis.url.get_secret_value()) as client:
        client.flushall()


def marks(line: RealPipeline) -> ReadMarker:
    """As the API marks entries read."""
    parts = line.parts
    reads = RedisInboxReads(parts.store, parts.clock)
    return ReadMarker(parts.inbox, reads, line.publisher, parts.topics, parts.clock)


async def reads_of(parts: Parts) -> dict[str, Any]:
    """What the API shows of every inbox."""
    reads = RedisInboxReads(parts.store, parts.clock)
    return {
        name: (
            await parts.inbox.counts(name),
            await parts.inbox.unread(name),
            (await reads.page(InboxQuery(name, ReadFilter.read, limit=10_000))).items,
        )
        for name in ("alice", "bob", "carol")
    }


async def told_of(line: RealPipeline) -> dict[str, Any]:
    """What `explain` shows of some events: their heads, and every delivery's steps but for their details."""
    told: dict[str, Any] = {}
    for event_id in ("h0", "g", "r1", "later"):
        head = dict(await line.parts.ledger.head(event_key(SOURCE, event_id)) or {})
        steps = {
            (e.recipient, e.channel): [(s.state, s.reason, s.attempt) for s in e.steps]
            for e in await line.entries(SOURCE, event_id)
        }
        kept = ("type", "source", "id", "time_ms", "received_ms", "external_id")
        told[event_id] = ({name: head.get(name) for name in kept}, steps)
    return told


async def quiet(line: RealPipeline) -> list[TableCount]:
    """The sums, as soon as they have not changed for a while."""
    before: list[TableCount] = []
    same = 0
    while same < 5:
        now = await inventory(line.parts.store)
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
    return before


async def busy_history(line: RealPipeline) -> None:
    """Sent, bounced, deferred and skipped mail, inbox entries read one by one and all at once, a withdrawn one."""
    writer = line.parts.table_writer(line.publisher)
    for name, address in (("bouncing", _REFUSED), ("waiting", _DEFERRED)):
        await writer.recipient(
            name,
            lambda _, a=address, n=name: samples.RECIPIENTS[0].model_copy(update={"id": n, "address": a}),
        )
    await line.publish(*(overbid(f"h{n}", "alice", "bob", "nobody", lot=str(n)) for n in range(20)))
    await line.publish({"id": "g", "source": SOURCE, "type": "invoice_available", "external_id": "12345"})
    for n in range(20):
        await line.finished(SOURCE, f"h{n}")
    await line.finished(SOURCE, "g")
    await line.publish(overbid("r1", "bouncing", "waiting"))

    async def settled() -> bool:
        found = {(e.recipient, e.channel): e.state for e in await line.entries(SOURCE, "r1")}
        wanted = {("bouncing", "email"): State.bounced, ("waiting", "email"): State.deferred}
        return wanted.items() <= found.items() and State.queued not in found.values()

    await eventually(settled, 60)
    unread = await line.parts.inbox.unread("alice")
    await marks(line).mark("alice", [item.id for item in unread[:5]] + ["nobody's"])
    assert await marks(line).mark_all("bob") == 20
    await line.publish(overbid("later", "bob", lot="x"))
    await line.finished(SOURCE, "later")
    await writer.suppress("eve@example.com", Reason.bounce_received, "550 <eve@example.com>")
    await writer.suppress("mallory@example.com", Reason.complaint_received)
    assert await writer.unsuppress("mallory@example.com")


@pytest.mark.timeout(300)
async def test_flushall_stops_everything_and_rebuild_brings_it_back() -> None:
    """Nothing is sent in between, readiness says what to do, all sums and reads are equal, and new events flow."""
    async with fed_line() as (line, probe):
        await ready(probe)
        await busy_history(line)
        before, shown = await quiet(line), await reads_of(line.parts)
        rows = {one.table: one.rows for one in before}
        assert rows["recipients"] == 5
        assert rows["suppressions"] == 2
        assert rows["inbox"] == 20 + 21 + 22 + 2
        assert rows["due"] == 1
        due, histories = await line.parts.due.oldest_ms(), await told_of(line)
        mails = len(line.catcher.mails)

        flush(line)
        await line.publish(*(overbid(f"n{n}", "alice", "bob", lot=f"n{n}") for n in range(50)))

        async def paused() -> bool:
            told = await reasons(probe)
            stages = ("resolve", "inbox", "email.high", "email.normal", "email.bulk", "tables")
            return all("tocsin rebuild" in told.get(stage, "") for stage in stages)

        await eventually(paused, 60)
        code, sums, _ = await tocsin(line, "rebuild", "--checksums", "--json")
        assert code == 0
        assert {one["rows"] for one in sums} == {0}, "nothing sneaked in"
        assert len(line.catcher.mails) == mails

        # Without a worker the new events wait, so that what was there before can be compared.
        worker = line.workers[0]
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
        assert len(line.catcher.mails) == mails
        code, told, err = await tocsin(line, "rebuild", "--yes", "--json")
        assert code == 0, err
        assert told[0]["refused"] == {}
        after = await inventory(line.parts.store)
        assert after == before
        assert [(s["table"], s["rows"], s["checksum"]) for s in told[1:]] == [
            (s.table, s.rows, s.checksum) for s in before
        ]
        assert await reads_of(line.parts) == shown
        assert await line.parts.due.oldest_ms() == due
        assert await told_of(line) == histories
        assert len(line.catcher.mails) == mails, "no mail in between"

        line.start_worker(ALL)
        for n in range(50):
            await line.finished(SOURCE, f"n{n}")
        assert set(line.mailed().values()) == {1}
        assert len(line.catcher.mails) == mails + 3 * 50

        # The sums see a fault: one entry unread again, one row less.
        with redis.Redis.from_url(line.settings.redis.url.get_secret_value()) as client:
            sums_now = await quiet(line)
            client.delete(line.parts.store.keys.suppressed(address_key("eve@example.com")))
            client.hdel(line.parts.store.keys.inbox("alice"), (await line.parts.inbox.unread("alice"))[0].id)
        differing = {
            a.table for a, b in zip(sums_now, await inventory(line.parts.store), strict=True) if a != b
        }
        assert differing == {"suppressions", "inbox"}


@pytest.mark.timeout(300)
async def test_flushall_in_the_middle_of_work_loses_and_doubles_nothing() -> None:
    """Mail is out and batches are half done when Redis is emptied; the worker stays, the rebuild runs beside it."""
    async with fed_line() as (line, probe):
        await ready(probe)
        count = 900
        await line.publish(*(overbid(f"m{n}", "alice", "bob", lot=f"m{n}") for n in range(count)))
        await eventually(lambda: _mails(line, count // 3), 60)
        flush(line)

        async def paused() -> bool:
            told = await reasons(probe)
            return "resolve" in told and "email.high" in told

        await eventually(paused, 60)
        await settled(line)
        stopped_at = len(line.catcher.mails)
        assert stopped_at < 3 * count, "there was nothing left to do"
        code, _, err = await tocsin(line, "rebuild", "--yes", "--json")
        assert code == 0, err
        for n in range(count):
            await line.finished(SOURCE, f"m{n}", seconds=90)

        mailed = line.mailed()
        assert len(mailed) == 3 * count
        assert set(mailed.values()) == {1}
        for final in (State.sent, State.delivered):
            await line.told(
                lambda told, f=final: len({o.delivery for o in told if o.state is f}) == 3 * count
            )
        assert await line.parts.inbox.counts("alice") == {"overbid": count}


async def _mails(line: RealPipeline, count: int) -> bool:
    return len(line.catcher.mails) >= count


async def settled(line: RealPipeline) -> None:
    """Wait until no mail has come for a while: what was out has been answered."""
    before, same = -1, 0
    while same < 10:
        now = len(line.catcher.mails)
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
