"""A claim that no worker knows of does not wait for the end of the worker that made it (ADR 10)."""

import asyncio
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from service.model.ledger import Transition, TransitionResult
from service.pipeline.email.lease import ALIVE_S
from service.ports import Unavailable
from tests.fakes.ledger import FakeLedger
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "1", "type": "reset_password", "recipients": ["alice", "bob"]}


async def resolved() -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT)
    return pipeline


async def states(pipeline: FakePipeline) -> set[tuple[str, str]]:
    states = await pipeline.states("1")
    return {state for (_, channel), state in states.items() if channel == "email"}


async def heartbeat(pipeline: FakePipeline) -> None:
    """Send the heartbeats that the running worker sends."""
    await pipeline.deliver_email._claimer.in_flight.heartbeat(pipeline.workers)


async def lose_a_reply(pipeline: FakePipeline) -> None:
    """Let the ledger make the claims without the worker receiving its reply."""
    transition = FakeLedger.transition

    async def reply_lost(self: FakeLedger, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        await transition(self, transitions)
        raise Unavailable("the reply was lost")

    with patch.object(FakeLedger, "transition", reply_lost), pytest.raises(Unavailable):
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())


async def test_another_worker_takes_over_a_claim_whose_reply_was_lost() -> None:
    """The first worker continues; the other waits until the heartbeat of the claim's epoch has expired, no longer."""
    pipeline = await resolved()
    await lose_a_reply(pipeline)
    assert await states(pipeline) == {("sending", "")}
    other = pipeline.email_worker("worker-2")

    pipeline.clock.advance(round(ALIVE_S * 1000) + 1)
    await heartbeat(pipeline)
    await pipeline.run(other, pipeline.email_records())

    assert await states(pipeline) == {("sent", "")}
    assert set(pipeline.transport.copies.values()) == {1}


async def test_the_same_worker_takes_it_over_at_once() -> None:
    """The worker knows that it has submitted no message."""
    pipeline = await resolved()
    await lose_a_reply(pipeline)
    await heartbeat(pipeline)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert set(pipeline.transport.copies.values()) == {1}


async def test_what_was_not_sent_is_not_held() -> None:
    """A type that forbids a second message is sent after a claim whose reply was lost: this worker sent nothing."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT | {"type": "held_when_unsure"})
    await lose_a_reply(pipeline)
    await heartbeat(pipeline)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert await states(pipeline) == {("sent", "")}
    assert set(pipeline.transport.copies.values()) == {1}


async def test_what_another_worker_may_have_sent_is_held() -> None:
    """Only the worker that made a claim knows that nothing was sent under it."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT | {"type": "held_when_unsure"})
    await lose_a_reply(pipeline)
    pipeline.clock.advance(round(ALIVE_S * 1000) + 1)
    await pipeline.run(pipeline.email_worker("worker-2"), pipeline.email_records())

    assert await states(pipeline) == {("held", "awaiting_operator")}
    assert not pipeline.transport.copies


async def test_a_delivery_cut_off_before_its_submission_is_sent_later() -> None:
    """Redis becomes unavailable between a claim and its submission, while another outcome is re-emitted."""
    pipeline = await resolved()
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await pipeline.ingest(EVENT | {"id": "2"})
    ledger = pipeline.ledger

    async def unavailable(event: str, delivery: str) -> None:
        raise Unavailable("redis: unavailable")

    with patch.object(ledger, "entry", unavailable), pytest.raises(Unavailable):
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await heartbeat(pipeline)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert (await pipeline.states("2"))["alice", "email"] == ("sent", "")
    assert set(pipeline.transport.copies.values()) == {1}


async def test_an_epoch_has_a_heartbeat_as_long_as_its_messages_are_in_flight() -> None:
    """A worker that has renewed its epoch keeps the heartbeat of the old one until its last message has a result."""
    pipeline = await resolved()
    pipeline.transport.hold = True
    in_flight = pipeline.deliver_email._claimer.in_flight
    handling = asyncio.create_task(pipeline.run(pipeline.deliver_email, pipeline.email_records()))
    async with asyncio.timeout(20):
        while not pipeline.transport._held:
            await asyncio.sleep(0)
    in_flight.renew_epoch(())
    assert in_flight.owners() == {"worker-1", "worker-1+1"}

    pipeline.transport.hold = False
    pipeline.transport.release()
    await handling

    assert in_flight.owners() == {"worker-1+1"}
    assert all(map(in_flight.is_own, ("worker-1", "worker-1+1")))
    assert not in_flight.is_own("worker-2")
