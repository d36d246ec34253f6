"""Wide events: what is remembered of them, and how another worker continues them."""

import json
from collections import Counter

import pytest

from service.model.delivery import Delivery
from service.model.recipient import Contact
from service.model.record import Done, Record
from service.pipeline.resolve.wide import MailboxUse, WideMailboxes, WideRecipients
from tests.support.fake_pipeline import FakePipeline

CONTACTS = 5_300
EVENT = json.dumps({"id": "1", "source": "/t", "type": "payment_failed", "account": "big"}).encode()


def test_recipients_are_remembered_like_a_set() -> None:
    """Those that were added are in it, and no others."""
    found, texts = WideRecipients(), [f"user-{n}" for n in range(50_000)]
    for text in texts[::2]:
        assert text not in found
        found.add(text)
        found.add(text)
    assert [text in found for text in texts] == [n % 2 == 0 for n in range(len(texts))]


def test_mailboxes_keep_the_last_decision() -> None:
    """Like a mapping, except for the recipient that decided."""
    mailboxes = WideMailboxes()
    for n in range(20_000):
        mailboxes[f"{n}@x.test"] = MailboxUse(f"r{n}", queued=n % 3 == 0)
    mailboxes["1@x.test"] = MailboxUse("other", queued=True)

    assert mailboxes.get("20000@x.test") is None
    assert mailboxes.get("2@x.test") == MailboxUse("another recipient", queued=False)
    assert (
        mailboxes.get("1@x.test") == mailboxes.get("3@x.test") == MailboxUse("another recipient", queued=True)
    )


@pytest.fixture
async def pipeline() -> FakePipeline:
    """A pipeline with an account whose last contact has the address of an early one."""
    pipeline = FakePipeline()
    await pipeline.seed()
    addresses = [f"{n}@x.test" for n in range(CONTACTS - 1)] + ["1200@x.test"]
    rows = [Contact(account="big", uuid=f"u{n:05}", email=a, version=1) for n, a in enumerate(addresses)]
    await pipeline.tables.put_contacts(rows)
    return pipeline


def record(pipeline: FakePipeline, offset: int = 4) -> Record:
    return Record("events", 0, offset, pipeline.clock.now_ms(), None, EVENT)


async def resolve(pipeline: FakePipeline, offset: int = 4, pieces: int = 1_000) -> Counter[str]:
    """Resolve the event until some pieces are in Kafka; return how often each contact was dispatched."""
    pipeline.topics.clear()
    handler = pipeline.resolve([record(pipeline, offset)])
    async for done in handler:
        await pipeline.publish(done.messages)
        if done.then is not None:
            await done.then()
        pieces -= 1
        if not pieces:
            break
    await handler.aclose()  # type: ignore[attr-defined]
    return Counter(Delivery.from_bytes(m.value or b"").recipient for m in pipeline.email_records())


async def test_another_worker_continues_a_wide_event(pipeline: FakePipeline) -> None:
    """What was in Kafka is not dispatched again, but for one page; and one mailbox gets one message all the same."""
    first = await resolve(pipeline, pieces=7)
    pipeline.build("worker-2")
    second = await resolve(pipeline)

    last = f"u{CONTACTS - 1:05}"
    assert set(first | second) == {f"u{n:05}" for n in range(CONTACTS)} - {last}
    assert len(first) == 3_500
    assert len(second) <= CONTACTS - 3_500 + 1_000
    assert (await pipeline.states("1"))[last, "email"] == ("skipped", "duplicate_address")
    assert not pipeline.fan_outs.positions


@pytest.mark.parametrize("changed", ["record", "rules"])
async def test_a_position_holds_for_its_record_and_its_rules_only(
    pipeline: FakePipeline, changed: str
) -> None:
    """The event in another record, or by other rules, is dispatched from the beginning."""
    await resolve(pipeline, pieces=7)
    if changed == "rules":
        ((key, saved),) = pipeline.fan_outs.positions.items()
        pipeline.fan_outs.positions[key] = saved._replace(audience="role:admin")
    again = await resolve(pipeline, offset=4 if changed == "rules" else 9)

    assert len(again) == CONTACTS - 1


async def test_pages_that_are_passed_over_are_progress(pipeline: FakePipeline) -> None:
    """Each yields something, so that the stage counts as alive while it passes over a million recipients."""
    await resolve(pipeline, pieces=9)
    yielded = [done async for done in pipeline.resolve([record(pipeline)])]

    assert yielded[:3] == [Done([])] * 3


async def test_what_is_not_in_kafka_is_dispatched_again(pipeline: FakePipeline) -> None:
    """A worker that dies after the ledger, before Kafka has acknowledged, has saved nothing of that."""
    handler = pipeline.resolve([record(pipeline)])
    for _ in range(7):
        await anext(handler)
    await handler.aclose()  # type: ignore[attr-defined]

    assert len(await resolve(pipeline)) == CONTACTS - 1
