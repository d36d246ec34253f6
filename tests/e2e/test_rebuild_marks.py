"""Redis is emptied and rebuilt: withdrawals stay in force, and the scores of full mailboxes are restored."""

import asyncio
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
from tests.support.completeness import mark_complete
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

SOURCE = "/e2e"
ALL_STAGES = "resolve,inbox,email,schedule,tables"
BEFORE = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


def overbid(event_id: str, *recipients: str, lot: str, **more: Any) -> dict[str, Any]:
    data = {"lot_id": lot}
    return {
        "id": event_id, "source": SOURCE, "type": "overbid", "recipients": recipients, "data": data,
    } | more  # fmt: skip


def withdraw(number: int, **data: Any) -> dict[str, Any]:
    return {"id": f"w{number}", "source": SOURCE, "type": "withdraw", "data": data}


async def prepare(pipeline: RealPipeline) -> None:
    """Fill Redis through Kafka only; the mailbox of `waiting` always defers."""
    with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
        client.flushall()
    await mark_complete(pipeline.parts.store)
    writer = pipeline.parts.table_writer(pipeline.producer)
    assert await seed(writer, pipeline.parts.catalogue)
    waiting = samples.RECIPIENTS[0].model_copy(update={"id": "waiting", "address": "deferred@simulator.test"})
    await writer.recipient("waiting", lambda _: waiting)


async def state(pipeline: RealPipeline, event_id: str, recipient: str, channel: str) -> State | None:
    states = {(e.recipient, e.channel): e.state for e in await pipeline.entries(SOURCE, event_id)}
    return states.get((recipient, channel))


async def wait_until_withdrawn(pipeline: RealPipeline, event_id: str, *recipients: str) -> None:
    """Wait until every delivery of these recipients is withdrawn."""

    async def all_are() -> bool:
        states = {
            await state(pipeline, event_id, name, channel)
            for name in recipients
            for channel in ("email", "inbox")
        }
        return states == {State.withdrawn}

    await eventually(all_are, 90, lambda: event_id)


async def nothing_is_due(pipeline: RealPipeline) -> bool:
    return await pipeline.parts.due.oldest_ms() is None


async def withdraw_events(pipeline: RealPipeline) -> None:
    """Withdraw pending mail by id, an event that has not arrived, and a key with a late event; leave one in force."""
    await pipeline.publish(*(overbid(name, "waiting", lot=name) for name in ("seen", "open")))
    for name in ("seen", "open"):
        await pipeline.wait_until_deferred(SOURCE, name, "waiting")
    await pipeline.publish(
        withdraw(1, id="seen"), withdraw(2, id="unseen"), withdraw(3, type="overbid", key="2")
    )
    mailed, inbox = State.sent, State.withdrawn

    async def stopped() -> bool:
        deliveries = [("waiting", "email"), ("waiting", "inbox"), ("carol", "email"), ("carol", "inbox")]
        states = [await state(pipeline, "seen", *delivery) for delivery in deliveries]
        unseen = await pipeline.parts.ledger.head(event_key(SOURCE, "unseen"))
        return states == [State.withdrawn, inbox, mailed, inbox] and unseen is not None

    await eventually(stopped, 90)
    await pipeline.wait_for_withdrawals(3)
    await pipeline.publish(overbid("late", "alice", lot="2", time=BEFORE))
    await wait_until_withdrawn(pipeline, "late", "alice", "carol")


async def count_full_mailboxes(pipeline: RealPipeline) -> None:
    """Count soft bounces of full mailboxes, as the stages do."""
    parts = pipeline.parts
    soft = SoftBounceScorer(parts.scores, parts.tables, parts.writes, parts.topics, parts.clock)
    for number, address in enumerate(("alice@example.com", "bob@example.com", "alice@example.com")):
        failure = (address, Reason.mailbox_full, f"delivery{number}")
        await pipeline.producer.publish(await soft.count([failure]))


@pytest.mark.timeout(300)
async def test_withdrawals_stay_in_force_after_a_rebuild() -> None:
    """Checksums are equal; events that arrive again, arrive late, or are withdrawn later are stopped by their marks."""
    async with RealPipeline() as pipeline:
        await prepare(pipeline)
        worker = pipeline.start_worker(ALL_STAGES)
        await withdraw_events(pipeline)
        await count_full_mailboxes(pipeline)
        worker.terminate()
        await asyncio.to_thread(worker.wait, 60)  # the relay is in this loop
        before = await inventory(pipeline.parts.store)
        rows = {one.table: one.rows for one in before}
        assert (rows["withdrawals"], rows["soft-bounces"], rows["due"]) == (4, 2, 1)
        mails = len(pipeline.catcher.mails)

        with redis.Redis.from_url(pipeline.settings.redis.url.get_secret_value()) as client:
            client.flushall()
        code, documents, output = await pipeline.tocsin("rebuild", "--yes", "--json")
        assert code == 0, output
        assert (documents[0]["read"]["withdrawals"], documents[0]["read"]["scores"]) == (4, 3)
        assert await inventory(pipeline.parts.store) == before
        (score,) = await pipeline.parts.scores.add(
            [(address_key("alice@example.com"), "another")], pipeline.parts.clock.now_ms()
        )
        assert score.value == pytest.approx(3, abs=0.01)

        pipeline.start_worker(ALL_STAGES)
        await pipeline.publish(
            overbid("unseen", "alice", lot="u"),
            overbid("seen", "waiting", "bob", lot="seen"),  # with one recipient more than before
            overbid("again", "bob", lot="2", time=BEFORE),
        )
        await wait_until_withdrawn(pipeline, "unseen", "alice", "carol")
        await wait_until_withdrawn(pipeline, "seen", "bob")
        await wait_until_withdrawn(pipeline, "again", "bob", "carol")
        await pipeline.publish(withdraw(4, type="overbid", key="open"))
        await wait_until_withdrawn(pipeline, "open", "waiting")
        await eventually(lambda: nothing_is_due(pipeline), 60)
        assert len(pipeline.catcher.mails) == mails, "withdrawn mail was sent"
