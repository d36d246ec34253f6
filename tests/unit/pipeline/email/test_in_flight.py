"""Deliveries in flight, and those held for an operator, are known with their times."""

import asyncio

import pytest

from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "1", "type": "winner", "recipients": ["alice", "bob"], "data": {"lot_id": "7"}}


async def _begun(*events: dict[str, object]) -> tuple[FakePipeline, "asyncio.Task[None]"]:
    """Submit messages to a relay that does not reply yet."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(*events)
    pipeline.transport.hold = True
    delivering = asyncio.create_task(pipeline.deliver())
    async with asyncio.timeout(20):
        while not pipeline.transport._held:
            await asyncio.sleep(0)
    return pipeline, delivering


async def test_a_claim_is_in_flight_until_it_is_settled() -> None:
    """With the time of the claim, in its lane; once all are settled there is none."""
    pipeline, delivering = await _begun(EVENT)
    in_flight = pipeline.deliver_email._claimer.in_flight
    claimed_ms = pipeline.clock.now_ms()
    pipeline.clock.advance(60_000)

    assert in_flight.oldest_ms() == {pipeline.catalogue["winner"].lane: claimed_ms}
    pipeline.transport.release()
    await delivering
    assert in_flight.oldest_ms() == {}


@pytest.mark.parametrize("killed", [False, True], ids=["its reply was lost", "its worker died"])
async def test_the_time_since_which_a_delivery_is_held_is_known(killed: bool) -> None:
    """The age of a held delivery is known, whichever way it came to be held."""
    pipeline = FakePipeline()
    await pipeline.seed()
    if killed:
        pipeline, delivering = await _begun({"id": "1", "type": "held_when_unsure", "recipients": ["alice"]})
        delivering.cancel()
        pipeline.clock.advance(60_000)
        pipeline.transport.hold = False
        pipeline.build("worker-2")
    else:
        row = pipeline.tables.recipients["alice"]
        dropped = row.model_copy(update={"address": "dropped@simulator.test", "version": 9})
        await pipeline.tables.put_recipients([dropped])
        await pipeline.ingest({"id": "1", "type": "held_when_unsure", "recipients": ["alice"]})
    await pipeline.deliver()

    assert (await pipeline.states("1"))["alice", "email"] == ("held", "awaiting_operator")
    assert list(pipeline.due.held.values()) == [pipeline.clock.now_ms()]
