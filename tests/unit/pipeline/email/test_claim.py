"""A claim does not wait for the death of a worker that does not know of it (ADR 10)."""

from collections.abc import Sequence
from unittest.mock import patch

import pytest

from service.model.ledger import Transition, TransitionResult
from service.pipeline.email.in_flight import ALIVE_S
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
    found = await pipeline.states("1")
    return {state for (_, channel), state in found.items() if channel == "email"}


async def beat(pipeline: FakePipeline) -> None:
    """As the pulse of the worker that works does."""
    for name in pipeline.deliver_email._claimer.in_flight.names():
        await pipeline.workers.beat(name, ALIVE_S)


async def lose_an_answer(pipeline: FakePipeline) -> None:
    """The ledger makes the claims, and the worker does not hear of it."""
    make = FakeLedger.transition

    async def made(self: FakeLedger, moves: Sequence[Transition]) -> Sequence[TransitionResult]:
        await make(self, moves)
        raise Unavailable("the answer was lost")

    with patch.object(FakeLedger, "transition", made), pytest.raises(Unavailable):
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())


async def test_another_worker_takes_what_was_claimed_without_an_answer() -> None:
    """The first one lives on, and works; the other waits until the name of the claim has died, no longer."""
    pipeline = await resolved()
    await lose_an_answer(pipeline)
    assert await states(pipeline) == {("sending", "")}
    other = pipeline.email_worker("worker-2")

    pipeline.clock.advance(round(ALIVE_S * 1000) + 1)
    await beat(pipeline)
    await pipeline.run(other, pipeline.email_records())

    assert await states(pipeline) == {("sent", "")}
    assert set(pipeline.transport.copies.values()) == {1}


async def test_the_same_worker_takes_it_at_once() -> None:
    """It knows that it has begun no mail."""
    pipeline = await resolved()
    await lose_an_answer(pipeline)
    await beat(pipeline)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert set(pipeline.transport.copies.values()) == {1}


async def test_what_was_cut_off_before_its_mail_was_begun_goes_on() -> None:
    """Redis goes away between a claim and its mail, while something else of the batch is told again."""
    pipeline = await resolved()
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await pipeline.ingest(EVENT | {"id": "2"})
    ledger = pipeline.ledger

    async def away(event: str, delivery: str) -> None:
        raise Unavailable("redis: away")

    with patch.object(ledger, "entry", away), pytest.raises(Unavailable):
        await pipeline.run(pipeline.deliver_email, pipeline.email_records())
    await beat(pipeline)
    await pipeline.run(pipeline.deliver_email, pipeline.email_records())

    assert (await pipeline.states("2"))["alice", "email"] == ("sent", "")
    assert set(pipeline.transport.copies.values()) == {1}


async def test_a_name_lives_as_long_as_its_mails() -> None:
    """A worker that has taken a new name still says of the old one that it lives, until the last mail is answered."""
    pipeline = await resolved()
    pipeline.transport.hold = True
    in_flight = pipeline.deliver_email._claimer.in_flight
    handling = pipeline.deliver_email(pipeline.email_records())
    await anext(handling)  # nothing to be closed; the mails are begun by the next step
    in_flight.renew_epoch(())
    assert in_flight.names() == {"worker-1", "worker-1+1"}

    pipeline.transport.hold = False
    _ = [done async for done in handling]

    assert in_flight.names() == {"worker-1+1"}
    assert all(map(in_flight.ours, ("worker-1", "worker-1+1")))
    assert not in_flight.ours("worker-2")
