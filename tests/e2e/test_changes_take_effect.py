"""A change to the tables takes effect at once: under load, nothing that is claimed later goes to the old state."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest

from service.dev import samples
from service.dev.catcher.mail import Mail
from service.dev.seeding import seed
from service.model.ledger import State
from service.model.recipient import Choice, Contact, Recipient
from tests.line import Line, eventually

RATE = 300
SECONDS = 7
BATCH = 500
IN_FLIGHT = 4 * BATCH  # a stage works on four batches at a time
OLD, NEW = "alice@example.com", "alice.new@example.com"
SECOND = "second.contact@example.com"


def event(number: int) -> dict[str, Any]:
    """Every other one is for two recipients, the rest for an account with two contacts."""
    if number % 2:
        data = {"payment_id": str(number), "amount": 1.0, "balance": 1.0, "currency": "EUR"}
        return {
            "id": f"e{number}",
            "source": "/load",
            "type": "payment",
            "account": samples.ACCOUNT,
            "data": data,
        }
    data = {"lot_id": str(number)}
    return {
        "id": f"e{number}",
        "source": "/load",
        "type": "winner",
        "recipients": ["alice", "bob"],
        "data": data,
    }


async def load(line: Line) -> int:
    """Publish at the rate, whatever comes out; how many."""
    sent, started = 0, time.monotonic()
    while (now := time.monotonic() - started) < SECONDS:
        due = int(now * RATE)
        await line.publish(*(event(n) for n in range(sent, due)))
        sent = due
        await asyncio.sleep(0.02)
    return sent


def off(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"preferences": {"winner:email": Choice(on=False, since_ms=1, by="bob")}})


def moved(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"address": NEW})


def second(rows: Sequence[Contact]) -> Contact:
    return next(row for row in rows if row.email == SECOND)


@pytest.mark.timeout(180)
async def test_after_the_answer_nothing_more_goes_to_the_old_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A preference switched off, an address changed, a contact deleted, by the writer that the API uses."""
    async with Line() as line:
        writer = line.parts.table_writer(line.publisher)
        await seed(writer, line.parts.catalogue)
        line.start_worker("resolve,inbox,email,schedule,tables")
        await line.publish(event(-2))
        await line.finished("/load", "e-2")

        loading = asyncio.create_task(load(line))
        answered: dict[str, datetime] = {}
        changes: Sequence[tuple[str, Callable[[], Any]]] = (
            ("bob@example.com", lambda: writer.recipient("bob", off)),
            (OLD, lambda: writer.recipient("alice", moved)),
            (SECOND, lambda: writer.drop_contact(samples.ACCOUNT, second)),
        )
        for address, change in changes:
            before = len(to(line, address))
            await eventually(lambda a=address, b=before: more_than(line, a, b + 100), 30)
            await change()
            answered[address] = datetime.now(next(iter(line.catcher.mails.newest_first())).received.tzinfo)
        published = await loading
        for n in range(published):
            await line.finished("/load", f"e{n}", seconds=60)

        late = {
            address: [mail for mail in to(line, address) if mail.received > when]
            for address, when in answered.items()
        }
        claimed = {
            "bob": await claimed_after(line, published, "bob", answered["bob@example.com"]),
            "contact": await claimed_after(line, published, samples.SECOND_CONTACT, answered[SECOND]),
        }
        counts = {address: len(mails) for address, mails in late.items()}
        longest = max(
            ((m.received - answered[a]).total_seconds() for a in late for m in late[a]), default=0.0
        )
        with capsys.disabled():
            print(f"\n{published} events at {RATE}/s; to the old state after the answer: {counts}", end="")
            print(f", for {longest:.1f} s; claimed after it: {claimed}")
        assert all(count <= BATCH for count in claimed.values())
        assert all(count <= IN_FLIGHT for count in counts.values())
        assert len(to(line, NEW)) > 100
        assert len(to(line, "some_email_1@example.com")) >= published // 2, "the others are not touched"


def to(line: Line, address: str) -> list[Mail]:
    """Mails to an address."""
    return [mail for mail in line.catcher.mails.newest_first() if mail.recipients == (address,)]


async def more_than(line: Line, address: str, count: int) -> bool:
    return len(to(line, address)) > count


async def claimed_after(line: Line, published: int, recipient: str, when: datetime) -> int:
    """Mails that were claimed after the answer: those looked up before it, in the same batch."""
    found = 0
    for n in range(published):
        for entry in await line.entries("/load", f"e{n}"):
            claims = [s.at_ms for s in entry.steps if s.state is State.sending]
            if entry.recipient == recipient and claims and claims[0] > when.timestamp() * 1000:
                found += 1
    return found
