"""A change to the tables takes effect at once: under load, nothing that is claimed later goes to the old state."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from service.dev import samples
from service.dev.seeding import seed
from service.model.ledger import Entry, State
from service.model.recipient import Choice, Contact, Recipient
from tests.support.real_pipeline import RealPipeline, eventually
from tests.support.timed_sink import Taken, TimedSink, timed_sink

RATE = 1000
SECONDS = 6
BATCH = 500
IN_FLIGHT = 4 * BATCH  # a stage works on four batches at a time
BEHIND = 5000
OLD, NEW = "alice@example.com", "alice.new@example.com"
BOB, MAIN, SECOND = "bob@example.com", "some_email_1@example.com", "second.contact@example.com"


def event(number: int) -> dict[str, Any]:
    """In turn for alice, for bob, and for an account with two contacts."""
    head = {"id": f"e{number}", "source": "/load"}
    if number % 3 == 2:
        data = {"payment_id": str(number), "amount": 1.0, "balance": 1.0, "currency": "EUR"}
        return {**head, "type": "payment", "account": samples.ACCOUNT, "data": data}
    recipient = ("alice", "bob")[number % 3]
    return {**head, "type": "winner", "recipients": [recipient], "data": {"lot_id": str(number)}}


async def load(line: RealPipeline, sink: TimedSink, ended: asyncio.Event) -> tuple[int, float]:
    """Publish at the rate until told to end; how many, and how many a second.

    A machine that cannot keep up gets no more than it has room for: mails to the main contact tell how far it is.
    """
    sent, started = 0, time.monotonic()
    while not ended.is_set() or time.monotonic() - started < SECONDS:
        due = int((time.monotonic() - started) * RATE)
        upto = min(due, sent + BATCH, 3 * sink.counts[MAIN] + BEHIND)
        await line.publish(*(event(n) for n in range(sent, upto)))
        sent = max(sent, upto)
        await asyncio.sleep(0.01)
    return sent, sent / (time.monotonic() - started)


def off(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"preferences": {"winner:email": Choice(on=False, since_ms=1, by="bob")}})


def moved(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"address": NEW})


def second(rows: Sequence[Contact]) -> Contact:
    return next(row for row in rows if row.email == SECOND)


@pytest.mark.timeout(240)
async def test_after_the_answer_nothing_more_goes_to_the_old_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A preference switched off, an address changed, a contact deleted, by the writer that the API uses.

    Nothing that is resolved after the answer goes to the old state. Of what was resolved before, only mails that were
    being looked at or claimed already may still leave: at most the batches in flight.
    """
    async with timed_sink() as sink, RealPipeline(variables={"TOCSIN_SMTP__PORT": str(sink.port)}) as line:
        writer = line.parts.table_writer(line.publisher)
        await seed(writer, line.parts.catalogue)
        line.start_worker("resolve,inbox,email,schedule,tables")
        await line.publish(event(-1))
        await line.finished("/load", "e-1")

        ended = asyncio.Event()
        loading = asyncio.create_task(load(line, sink, ended))
        answered: dict[str, int] = {}
        changes: Sequence[tuple[str, Callable[[], Any]]] = (
            (BOB, lambda: writer.recipient("bob", off)),
            (OLD, lambda: writer.recipient("alice", moved)),
            (SECOND, lambda: writer.drop_contact(samples.ACCOUNT, second)),
        )
        for address, change in changes:
            await more(sink, address, 200)
            await change()
            answered[address] = time.time_ns() // 1_000_000
        await more(sink, NEW, 200)
        ended.set()
        published, rate = await loading
        entries = await finished(line, published)

        late = {
            address: [mail for mail in sink.taken if mail.address == address and mail.at_ms > at]
            for address, at in answered.items()
        }
        told = {address: _told(mails, entries, answered[address]) for address, mails in late.items()}
        with capsys.disabled():
            print(
                f"\n{published} events at {rate:.0f}/s (asked: {RATE}/s); to the old state after the answer:"
            )
            for address, (left, claimed, resolved, longest) in told.items():
                print(
                    f"  {address}: {left} left within {longest} ms, {claimed} of them claimed after it,",
                    end="",
                )
                print(f" {resolved} resolved after it")
        assert all(resolved == 0 for _, _, resolved, _ in told.values())
        assert all(claimed <= BATCH for _, claimed, _, _ in told.values())
        assert all(left <= IN_FLIGHT for left, _, _, _ in told.values())
        assert sink.counts[MAIN] >= published // 3, "the others are not touched"


def _told(late: Sequence[Taken], entries: Mapping[str, Entry], answered_ms: int) -> tuple[int, int, int, int]:
    """How many left; how many of these were claimed, and resolved, after the answer; the last one's delay in ms."""
    steps = [{step.state: step.at_ms for step in entries[mail.delivery].steps} for mail in late]
    claimed = sum(step[State.sending] > answered_ms for step in steps)
    resolved = sum(step[State.queued] > answered_ms for step in steps)
    return len(late), claimed, resolved, max((mail.at_ms - answered_ms for mail in late), default=0)


async def more(sink: TimedSink, address: str, count: int) -> None:
    """Wait until so many more mails have come to an address."""
    wanted = sink.counts[address] + count

    async def have() -> bool:
        return sink.counts[address] >= wanted

    await eventually(have, 60)


async def finished(line: RealPipeline, published: int) -> Mapping[str, Entry]:
    """Wait for all events; every delivery by its id."""
    found: dict[str, Entry] = {}
    for start in range(0, published, BATCH):
        names = [f"e{n}" for n in range(start, min(start + BATCH, published))]
        for entries in await asyncio.gather(*(line.finished("/load", name, 120) for name in names)):
            found |= {entry.delivery: entry for entry in entries}
    return found
