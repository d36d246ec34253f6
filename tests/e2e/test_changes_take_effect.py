"""A change to the tables takes effect at once: under load, deliveries that are claimed later follow the new state."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from service.dev import samples
from service.dev.seeding import seed
from service.model.ledger import Entry, State
from service.model.recipient import Choice, Recipient
from tests.support.real_pipeline import RealPipeline
from tests.support.timed_sink import AcceptedMessage, TimedSink, timed_sink
from tests.support.wait import eventually

RATE = 1000  # events per second
DURATION_S = 6
BATCH = 500
IN_FLIGHT = 4 * BATCH  # a stage works on four batches at a time
MAX_BACKLOG = 5000
OLD, NEW = "alice@example.com", "alice.new@example.com"
BOB, MAIN, SECOND = "bob@example.com", "some_email_1@example.com", "second.contact@example.com"


def event(number: int) -> dict[str, Any]:
    """Return an event in turn for alice, for bob, and for an account with two contacts."""
    head = {"id": f"e{number}", "source": "/load"}
    if number % 3 == 2:
        data = {"payment_id": str(number), "amount": 1.0, "balance": 1.0, "currency": "EUR"}
        return {**head, "type": "payment", "account": samples.ACCOUNT, "data": data}
    recipient = ("alice", "bob")[number % 3]
    return {**head, "type": "winner", "recipients": [recipient], "data": {"lot_id": str(number)}}


async def load(pipeline: RealPipeline, sink: TimedSink, ended: asyncio.Event) -> tuple[int, float]:
    """Publish at the rate until `ended` is set; return how many events, and the rate that was reached.

    A slow machine gets a limited backlog: the messages to the main contact show how far the pipeline is.
    """
    sent, started = 0, time.monotonic()
    while not ended.is_set() or time.monotonic() - started < DURATION_S:
        due = int((time.monotonic() - started) * RATE)
        upto = min(due, sent + BATCH, 3 * sink.counts[MAIN] + MAX_BACKLOG)
        await pipeline.publish(*(event(n) for n in range(sent, upto)))
        sent = max(sent, upto)
        await asyncio.sleep(0.01)
    return sent, sent / (time.monotonic() - started)


def with_preference_off(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"preferences": {"winner:email": Choice(on=False, since_ms=1, by="bob")}})


def with_new_address(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"address": NEW})


@pytest.mark.timeout(240)
async def test_nothing_resolved_after_the_change_goes_to_the_old_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A preference is switched off, an address changed and a contact deleted, by the writer that the API uses.

    No delivery that is resolved after the write follows the old state. Of those resolved before, only messages that
    were in recheck or claimed already may still be sent: at most the batches in flight.
    """
    async with (
        timed_sink() as sink,
        RealPipeline(variables={"TOCSIN_SMTP__PORT": str(sink.port)}) as pipeline,
    ):
        writer = pipeline.parts.table_writer(pipeline.producer)
        await seed(writer, pipeline.parts.catalogue)
        pipeline.start_worker("resolve,inbox,email,schedule,tables")
        await pipeline.publish(event(-1))
        await pipeline.wait_until_finished("/load", "e-1")

        ended = asyncio.Event()
        loading = asyncio.create_task(load(pipeline, sink, ended))
        written_ms: dict[str, int] = {}
        changes: Sequence[tuple[str, Callable[[], Any]]] = (
            (BOB, lambda: writer.recipient("bob", with_preference_off)),
            (OLD, lambda: writer.recipient("alice", with_new_address)),
            (SECOND, lambda: writer.drop_contact(samples.ACCOUNT, samples.SECOND_CONTACT)),
        )
        for address, change in changes:
            await wait_for_more(sink, address, 200)
            await change()
            written_ms[address] = time.time_ns() // 1_000_000
        await wait_for_more(sink, NEW, 200)
        ended.set()
        published, rate = await loading
        entries = await wait_until_all_finished(pipeline, published)

        late = {
            address: [
                message for message in sink.accepted if message.address == address and message.at_ms > at
            ]
            for address, at in written_ms.items()
        }
        counts = {
            address: count_late(messages, entries, written_ms[address]) for address, messages in late.items()
        }
        with capsys.disabled():
            print(
                f"\n{published} events at {rate:.0f}/s (target: {RATE}/s); to the old state after the write:"
            )
            for address, (sent, claimed, resolved, longest_ms) in counts.items():
                print(
                    f"  {address}: {sent} sent within {longest_ms} ms, {claimed} of them claimed after it,",
                    end="",
                )
                print(f" {resolved} resolved after it")
        assert all(resolved == 0 for _, _, resolved, _ in counts.values())
        assert all(claimed <= BATCH for _, claimed, _, _ in counts.values())
        assert all(sent <= IN_FLIGHT for sent, _, _, _ in counts.values())
        assert sink.counts[MAIN] >= published // 3, "other recipients get their mail"


def count_late(
    late: Sequence[AcceptedMessage], entries: Mapping[str, Entry], written_ms: int
) -> tuple[int, int, int, int]:
    """Count the messages sent, claimed and resolved after the write; return also the delay of the last one in ms."""
    steps = [{step.state: step.at_ms for step in entries[message.delivery].steps} for message in late]
    claimed = sum(step[State.sending] > written_ms for step in steps)
    resolved = sum(step[State.queued] > written_ms for step in steps)
    return len(late), claimed, resolved, max((message.at_ms - written_ms for message in late), default=0)


async def wait_for_more(sink: TimedSink, address: str, count: int) -> None:
    """Wait until an address has received `count` more messages."""
    target = sink.counts[address] + count
    await eventually(lambda: sink.counts[address] >= target, 60)


async def wait_until_all_finished(pipeline: RealPipeline, published: int) -> Mapping[str, Entry]:
    """Wait until every event is finished; return the entry of every delivery by its id."""
    entries_by_id: dict[str, Entry] = {}
    for start in range(0, published, BATCH):
        names = [f"e{n}" for n in range(start, min(start + BATCH, published))]
        for entries in await asyncio.gather(
            *(pipeline.wait_until_finished("/load", name, 120) for name in names)
        ):
            entries_by_id |= {entry.delivery: entry for entry in entries}
    return entries_by_id
