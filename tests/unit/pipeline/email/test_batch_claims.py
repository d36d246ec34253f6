"""Claims are made as late as possible: what changes while a message waits for its connection is respected."""

import asyncio

import pytest

from service.model.ids import event_key
from service.model.recipient import Choice
from service.pipeline.email.stage import EmailHandler
from tests.support.fake_pipeline import FakePipeline

EVENT = {"id": "1", "type": "winner", "recipients": ["alice", "bob"], "data": {"lot_id": "7"}}
ALICE, BOB = ("alice", "email"), ("bob", "email")


async def resolved(**fields: object) -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest(EVENT | fields)
    return pipeline


async def email(pipeline: FakePipeline, recipient: str = "alice") -> tuple[str, str]:
    return (await pipeline.states("1"))[recipient, "email"]


async def change(pipeline: FakePipeline, **update: object) -> None:
    row = pipeline.tables.recipients["alice"]
    await pipeline.tables.put_recipients([row.model_copy(update={"version": 9, **update})])


async def send(pipeline: FakePipeline, handler: EmailHandler | None = None) -> None:
    await pipeline.run(handler or pipeline.deliver_email, pipeline.email_records())


@pytest.mark.parametrize("taken_over", [True, False])
async def test_a_worker_that_was_paused_sends_nothing_that_may_have_been_taken_over(taken_over: bool) -> None:
    """It was paused between claim and body, for twice the TTL of its heartbeat: each message arrives once."""
    pipeline = await resolved()
    other, paused = pipeline.email_worker("worker-2"), False

    async def pause() -> None:
        nonlocal paused
        if paused:
            return
        paused = True
        pipeline.clock.advance(16_000)
        if taken_over:
            await send(pipeline, other)

    pipeline.transport.before_body = pause
    await send(pipeline)

    assert await email(pipeline) == await email(pipeline, "bob") == ("sent", "")
    assert set(pipeline.transport.copies.values()) == {1}
    sent = [o for o in pipeline.outcomes() if o.state == "sent" and o.channel == "email"]
    assert {o.attempt for o in sent} == {1}


async def test_a_message_that_came_back_says_why_in_its_history() -> None:
    """`queued` again, since the worker was paused; no attempt is used up."""
    pipeline = await resolved(recipients=["alice"])
    calls = iter((16_000, 0))

    async def pause() -> None:
        pipeline.clock.advance(next(calls))

    pipeline.transport.before_body = pause
    await send(pipeline)

    entries = [e async for e in pipeline.ledger.entries(event_key("/t", "1")) if e.channel == "email"]
    steps = [(s.state.value, s.reason.value, s.attempt) for s in entries[0].steps[::-1]]
    assert steps == [
        ("queued", "", 0),
        ("sending", "", 1),
        ("queued", "lease_over", 0),
        ("sending", "", 1),
        ("sent", "", 1),
    ]


async def test_a_result_does_not_end_the_claim_of_the_worker_that_took_over() -> None:
    """A deferral that a paused worker reads late leaves the message of the other worker in flight."""
    pipeline = await resolved(recipients=["alice"])
    await change(pipeline, address="deferred@simulator.test")
    pipeline.transport.hold = True
    records = pipeline.email_records()
    first = asyncio.create_task(pipeline.run(pipeline.deliver_email, records))
    while not pipeline.transport._held:
        await asyncio.sleep(0)
    pipeline.clock.advance(16_000)
    await change(pipeline, version=10, address="alice@example.com")
    second = asyncio.create_task(pipeline.run(pipeline.email_worker("worker-2"), records))
    while len(pipeline.transport._held) < 2:
        await asyncio.sleep(0)
    late, current = pipeline.transport._held
    pipeline.transport._answer(*late)
    await first

    assert (await email(pipeline))[0] == "sending"
    pipeline.transport._answer(*current)
    await second
    assert await email(pipeline) == ("sent", "")


@pytest.mark.parametrize(
    ("update", "state"),
    [
        ({"preferences": {"winner:email": Choice(on=False, since_ms=1)}}, ("skipped", "preference_off")),
        ({"address": ""}, ("skipped", "no_address")),
    ],
)
async def test_a_change_while_the_message_waits_is_seen_before_the_claim(
    update: dict[str, object], state: tuple[str, str]
) -> None:
    """The recheck of the batch is too old by then, so it is repeated (ADR 4)."""
    pipeline = await resolved()

    async def wait() -> None:
        pipeline.clock.advance(5_000)
        await change(pipeline, **update)

    pipeline.transport.before_claim = wait
    await send(pipeline)

    assert await email(pipeline) == state
    assert [m.recipient for m in pipeline.transport.accepted] == ["bob@example.com"]


async def test_a_new_address_is_rendered_again() -> None:
    """The message that waited is not sent; the one to the new address is."""
    pipeline = await resolved(recipients=["alice"])

    async def wait() -> None:
        pipeline.clock.advance(5_000)
        await change(pipeline, address="new@example.com")

    pipeline.transport.before_claim = wait
    await send(pipeline)

    assert [m.recipient for m in pipeline.transport.accepted] == ["new@example.com"]
    assert await email(pipeline) == ("sent", "")


async def test_a_withdrawal_while_the_message_waits_is_seen_by_the_claim() -> None:
    """Even without a recheck: the claim itself checks it."""
    pipeline = await resolved()

    async def withdraw() -> None:
        await pipeline.ledger.withdraw(event_key("/t", "1"), pipeline.clock.now_ms(), 60)

    pipeline.transport.before_claim = withdraw
    await send(pipeline)

    assert not pipeline.transport.accepted
    assert (await email(pipeline))[0] == "withdrawn"


async def test_a_deadline_that_passes_while_the_message_waits_is_kept() -> None:
    """Nothing is sent after it."""
    pipeline = await resolved()

    async def wait() -> None:
        pipeline.clock.advance(86_400_000)

    pipeline.transport.before_claim = wait
    await send(pipeline)

    assert not pipeline.transport.accepted
    assert await email(pipeline) == ("expired", "past_deadline")


async def test_a_batch_that_is_cut_off_has_claimed_nothing_more() -> None:
    """Its messages leave the queue; the ledger does not call any of them ambiguous."""
    pipeline, waiting = await resolved(), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    pipeline.transport.before_claim = wait
    task = asyncio.create_task(send(pipeline))
    await waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await email(pipeline) == ("queued", "")
    assert pipeline.deliver_email._claimer.in_flight.owners() == {"worker-1"}


async def test_a_record_that_is_read_again_is_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the ledger finishes it, whether or not a relay is usable."""
    pipeline = await resolved()
    await send(pipeline)
    pipeline.transport.unavailable = True
    monkeypatch.setattr(pipeline.renderer, "email", None)

    await send(pipeline)

    assert set(pipeline.transport.copies.values()) == {1}
