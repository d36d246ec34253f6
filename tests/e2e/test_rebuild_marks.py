"""Redis is emptied: what producers took back stays taken back, and mailboxes that were full are remembered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from service.adapters.redis.operate.inventory import inventory
from service.dev import samples
from service.dev.seeding import seed
from service.model.ids import address_key, event_key
from service.model.ledger import State
from service.model.reasons import Reason
from service.pipeline.email.soft_bounces import SoftBounceScorer
from tests.support.real_pipeline import RealPipeline, eventually

SOURCE = "/e2e"
ALL = "resolve,inbox,email,schedule,tables"
BEFORE = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


def overbid(event_id: str, *recipients: str, lot: str, **more: Any) -> dict[str, Any]:
    data = {"lot_id": lot}
    return {
        "id": event_id, "source": SOURCE, "type": "overbid", "recipients": recipients, "data": data,
    } | more  # fmt: skip


def withdraw(number: int, **data: Any) -> dict[str, Any]:
    return {"id": f"w{number}", "source": SOURCE, "type": "withdraw", "data": data}


async def prepared(line: RealPipeline) -> None:
    """Only what goes through Kafka is in Redis; `waiting` has a mailbox that is never ready."""
    with redis.Redis.from_url(line.settings.redis.url.get_secret_value()) as client:
        client.flushall()
    await line.parts.tables.mark_complete()
    writer = line.parts.table_writer(line.publisher)
    assert await seed(writer, line.parts.catalogue)
    waiting = samples.RECIPIENTS[0].model_copy(update={"id": "waiting", "address": "deferred@simulator.test"})
    await writer.recipient("waiting", lambda _: waiting)


async def state(line: RealPipeline, event_id: str, recipient: str, channel: str) -> State | None:
    found = {(e.recipient, e.channel): e.state for e in await line.entries(SOURCE, event_id)}
    return found.get((recipient, channel))


async def withdrawn(line: RealPipeline, event_id: str, *recipients: str) -> None:
    """Wait until no delivery of these is anything but withdrawn."""

    async def all_are() -> bool:
        states = {await state(line, event_id, who, way) for who in recipients for way in ("email", "inbox")}
        return states == {State.withdrawn}

    await eventually(all_are, 90, lambda: event_id)


async def taken_back(line: RealPipeline) -> None:
    """Pending mail withdrawn by id; an event that has not come; a key with one that came late; and one that stands."""
    await line.publish(*(overbid(name, "waiting", lot=name) for name in ("seen", "open")))
    for name in ("seen", "open"):

        async def deferred(name: str = name) -> bool:
            return await state(line, name, "waiting", "email") is State.deferred

        await eventually(deferred, 90)
    await line.publish(withdraw(1, id="seen"), withdraw(2, id="unseen"), withdraw(3, type="overbid", key="2"))
    mailed, inbox = State.sent, State.withdrawn

    async def stopped() -> bool:
        ways = [("waiting", "email"), ("waiting", "inbox"), ("carol", "email"), ("carol", "inbox")]
        found = [await state(line, "seen", *way) for way in ways]
        unseen = await line.parts.ledger.head(event_key(SOURCE, "unseen"))
        return found == [State.withdrawn, inbox, mailed, inbox] and unseen is not None

    await eventually(stopped, 90)
    await line.publish(overbid("late", "alice", lot="2", time=BEFORE))
    await withdrawn(line, "late", "alice", "carol")


async def full_mailboxes(line: RealPipeline) -> None:
    """As the stages count them."""
    parts = line.parts
    soft = SoftBounceScorer(parts.scores, parts.tables, parts.writes, parts.topics, parts.clock)
    for address in ("alice@example.com", "bob@example.com", "alice@example.com"):
        await line.producer.publish(await soft.count([(address, Reason.mailbox_full)]))


@pytest.mark.timeout(300)
async def test_what_was_taken_back_stays_taken_back() -> None:
    """All sums are equal; records that come again, come at last, or are still to be withdrawn meet their marks."""
    async with RealPipeline() as line:
        await prepared(line)
        worker = line.start_worker(ALL)
        await taken_back(line)
        await full_mailboxes(line)
        worker.terminate()
        worker.wait(60)
        before = await inventory(line.parts.store)
        rows = {one.table: one.rows for one in before}
        assert (rows["withdrawals"], rows["soft-bounces"], rows["due"]) == (4, 2, 1)
        mails = len(line.catcher.mails)

        with redis.Redis.from_url(line.settings.redis.url.get_secret_value()) as client:
            client.flushall()
        code, told, said = await line.tocsin("rebuild", "--yes", "--json")
        assert code == 0, said
        assert (told[0]["read"]["withdrawals"], told[0]["read"]["scores"]) == (4, 3)
        assert await inventory(line.parts.store) == before
        (score,) = await line.parts.scores.add([address_key("alice@example.com")], line.parts.clock.now_ms())
        assert score.value == pytest.approx(3, abs=0.01)

        line.start_worker(ALL)
        await line.publish(
            overbid("unseen", "alice", lot="u"),
            overbid("seen", "waiting", "bob", lot="seen"),  # with one recipient more than before
            overbid("again", "bob", lot="2", time=BEFORE),
        )
        await withdrawn(line, "unseen", "alice", "carol")
        await withdrawn(line, "seen", "bob")
        await withdrawn(line, "again", "bob", "carol")
        await line.publish(withdraw(4, type="overbid", key="open"))
        await withdrawn(line, "open", "waiting")
        assert await line.parts.due.oldest_ms() is None
        assert len(line.catcher.mails) == mails, "nothing went out after it had been taken back"
