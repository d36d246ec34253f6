"""`explain` beyond states: rules, preferences, relays, next attempts, and reasons for missing deliveries in words."""

from typing import Any

import pytest

from service.model.blocks.suppression import suppression
from service.model.blocks.unsubscribe import Unsubscribe, unsubscribe_key
from service.model.ids import address_key, address_pseudonym
from service.model.reasons import Reason
from service.model.recipient import Choice
from service.model.relay import RelayReport, RelayState
from service.model.worker import StageReport, StageState, WorkerReport
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.not_notified import NotNotifiedReason
from tests.support.fake_pipeline import FakePipeline

OVERBID = {"id": "1", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "7"}}


@pytest.fixture
async def pipeline() -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    return pipeline


async def one(
    pipeline: FakePipeline, recipient: str, channel: str = "email", event: str = "1"
) -> dict[str, Any]:
    (explained,) = (await pipeline.explain(ExplainQuery(event, recipient=recipient)))["events"]
    return next(d for d in explained["deliveries"] if (d["recipient"], d["channel"]) == (recipient, channel))


async def words(pipeline: FakePipeline, recipient: str, event: str = "1") -> str:
    (explained,) = (await pipeline.explain(ExplainQuery(event, recipient=recipient)))["events"]
    return str(explained["not_made"][0]["words"])


async def test_the_event_its_rules_and_its_sums(pipeline: FakePipeline) -> None:
    """With times and position, the rules of the audience with their values, and the counts by state."""
    await pipeline.ingest(OVERBID)
    await pipeline.deliver()
    (explained,) = (await pipeline.explain(ExplainQuery("1")))["events"]

    assert explained["event"]["position"] == "events:0:0"
    assert explained["audience"] == [{"rule": "users", "named": 1}, {"rule": "role", "role": "admin"}]
    assert {(d["recipient"], d["found"], d["scope"]) for d in explained["deliveries"]} == {
        ("alice", "users", ""),
        ("carol", "role", "admin"),
    }
    assert explained["sums"] == {
        "recipients": 2, "resolved": 4, "final": {"sent": 2, "delivered": 2}, "open": {}, "balanced": True
    }  # fmt: skip


async def test_a_relays_reply_is_split(pipeline: FakePipeline) -> None:
    """Into relay and reply; attempts and the time of the next one are there too."""
    row = pipeline.tables.recipients["alice"].model_copy(
        update={"address": "deferred@simulator.test", "version": 2}
    )
    await pipeline.tables.put_recipients([row])
    await pipeline.ingest(OVERBID)
    await pipeline.deliver()
    mail = await one(pipeline, "alice")

    assert (mail["state"], mail["open"], mail["attempts"]) == ("deferred", True, 1)
    assert mail["next_ms"] > pipeline.clock.now_ms()
    assert [step["state"] for step in mail["steps"]] == ["deferred", "sending", "queued"]
    assert (mail["steps"][0]["relay"], mail["steps"][0]["reply"]) == ("fake", "451 4.7.1 try again later")


async def test_a_preference_is_shown_with_its_time(pipeline: FakePipeline) -> None:
    """The one that decided, and the current one."""
    off = {"overbid:email": Choice(on=False, since_ms=7, by="alice")}
    row = pipeline.tables.recipients["alice"].model_copy(update={"preferences": off, "version": 2})
    await pipeline.tables.put_recipients([row])
    await pipeline.ingest(OVERBID)
    await pipeline.tables.put_recipients([row.model_copy(update={"preferences": {}, "version": 3})])
    mail = await one(pipeline, "alice")

    assert (mail["reason"], mail["decided"]) == ("preference_off", "preference off since 7 by alice")
    assert mail["preference"] is None


async def test_a_reason_comes_with_its_sentence(pipeline: FakePipeline) -> None:
    """In deliveries, in the steps of their history, and in missing deliveries; empty where there is no reason."""
    off = {"overbid:email": Choice(on=False, since_ms=7, by="alice")}
    row = pipeline.tables.recipients["alice"].model_copy(update={"preferences": off, "version": 2})
    await pipeline.tables.put_recipients([row])
    await pipeline.ingest(OVERBID)
    skipped, queued = await one(pipeline, "alice"), await one(pipeline, "alice", "inbox")

    assert (skipped["reason"], skipped["reason_text"]) == ("preference_off", Reason.preference_off.text)
    assert [step["reason_text"] for step in skipped["steps"]] == [Reason.preference_off.text]
    assert (queued["reason"], queued["reason_text"]) == ("", "")
    (explained,) = (await pipeline.explain(ExplainQuery("1", recipient="bob")))["events"]
    assert {(missing["reason"], missing["reason_text"]) for missing in explained["not_made"]} == {
        ("not_in_audience", NotNotifiedReason.not_in_audience.text)
    }


async def test_missing_deliveries_are_explained_in_words(pipeline: FakePipeline) -> None:
    """Rule by rule, from the tables as they are now."""
    await pipeline.ingest(OVERBID, {"id": "g", "type": "invoice_available", "external_id": "12345"})
    await pipeline.ingest({"id": "h", "type": "invoice_available", "external_id": "none"})

    assert (
        await words(pipeline, "bob") == "not among the 1 that the event names; does not have the role admin"
    )
    assert (await words(pipeline, "ghost")).startswith("not in the recipients table; ")
    assert await words(pipeline, "bob", "g") == "not listed by group 12345 for invoice_available"
    assert await words(pipeline, "bob", "h") == "group none is not in the table"
    row = pipeline.tables.recipients["bob"].model_copy(update={"roles": ("admin",), "version": 2})
    await pipeline.tables.put_recipients([row])
    assert "has the role admin now" in await words(pipeline, "bob")


async def test_a_person_is_also_the_address_that_a_group_lists(pipeline: FakePipeline) -> None:
    """A query for alice, or for her address, shows the mail that went to her address by a group's list."""
    await pipeline.ingest({"id": "1", "type": "mixed", "recipients": ["bob"], "external_id": "12345"})

    for query in (
        ExplainQuery("1", recipient="alice"),
        ExplainQuery("1", address="ALICE@example.com"),
        ExplainQuery(recipient="alice"),
    ):
        (explained,) = (await pipeline.explain(query))["events"]
        assert [(d["found"], d["scope"], d["state"]) for d in explained["deliveries"]] == [
            ("group", "12345|", "queued")
        ]


async def test_all_deliveries_of_a_recipient(pipeline: FakePipeline) -> None:
    """Every event of a recipient, by type and time, with the recipient's current row."""
    await pipeline.ingest(
        OVERBID, {"id": "2", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}}
    )
    everything = await pipeline.explain(ExplainQuery(recipient="alice"))

    assert {e["event"]["id"] for e in everything["events"]} == {"1", "2"}
    assert everything["people"][0]["address"] == "alice@example.com"
    only = await pipeline.explain(ExplainQuery(recipient="alice", type="winner"))
    assert [e["event"]["id"] for e in only["events"]] == ["2"]
    later = await pipeline.explain(ExplainQuery(recipient="alice", since_ms=pipeline.clock.now_ms() + 1))
    assert later["events"] == []


async def test_an_id_of_several_sources_gives_several_answers(pipeline: FakePipeline) -> None:
    """Unless the source is named; the ledger's own key works too."""
    await pipeline.ingest(OVERBID, OVERBID | {"source": "/other"})
    both = (await pipeline.explain(ExplainQuery("1")))["events"]

    assert {e["event"]["source"] for e in both} == {"/t", "/other"}
    assert len((await pipeline.explain(ExplainQuery("1", "/other")))["events"]) == 1
    assert (await pipeline.explain(ExplainQuery(both[0]["event"]["key"])))["events"] == [both[0]]
    assert (await pipeline.explain(ExplainQuery("unknown")))["events"] == []


async def test_blocks_are_shown_with_their_time(pipeline: FakePipeline) -> None:
    """Suppression, unsubscribe and preference: the one that decided, and those in force; the inbox is not blocked."""
    off = {"winner:email": Choice(on=False, since_ms=7, by="alice")}
    row = pipeline.tables.recipients["alice"].model_copy(update={"preferences": off, "version": 2})
    await pipeline.tables.put_recipients([row])
    key = unsubscribe_key("", "alice", "overbid")
    await pipeline.tables.put_unsubscribe(Unsubscribe(id=key, type="overbid", by="the link", version=8))
    await pipeline.tables.put_suppression(*suppression("bob@example.com", Reason.complaint_received, 9))
    await pipeline.ingest(OVERBID | {"recipients": ["alice", "bob"]}, OVERBID | {"id": "2", "type": "winner"})
    await pipeline.deliver()

    mails = [
        await one(pipeline, "alice"),
        await one(pipeline, "alice", event="2"),
        await one(pipeline, "bob"),
    ]
    decided = [(mail["reason"], mail["steps"][0]["detail"]) for mail in mails]
    assert decided == [
        ("unsubscribed", "unsubscribed since 8 by the link"),
        ("preference_off", "preference off since 7 by alice"),
        ("suppressed_address", "suppressed since 9: complaint_received"),
    ]
    complaint = {"reason": "complaint_received", "since_ms": 9}
    assert [(mail["stopped"], mail["preference"]) for mail in mails] == [
        ({"unsubscribed": {"since_ms": 8, "by": "the link"}}, None),
        (None, {"on": False, "since_ms": 7, "by": "alice"}),
        ({"suppressed": complaint}, None),
    ]
    assert (await one(pipeline, "alice", "inbox"))["stopped"] is None
    people = [
        (await pipeline.explain(ExplainQuery(recipient=name)))["people"][0] for name in ("alice", "bob")
    ]
    assert [(p["suppressed"], set(p["unsubscribed"])) for p in people] == [
        (None, {"overbid"}),
        (complaint, set()),
    ]


async def test_an_unsubscribe_is_shown_where_there_is_no_delivery_and_no_row(pipeline: FakePipeline) -> None:
    """Of contacts and of addresses in groups too; an expired suppression is not shown."""
    await pipeline.ingest({"id": "g", "type": "invoice_available", "external_id": "12345"})
    await pipeline.ingest({"id": "a", "type": "payment_failed", "account": "acme"})
    listed = address_pseudonym("billing@example.com")
    for account, recipient, type_name in (
        ("", listed, "invoice_available"),
        ("acme", "c1", "payment_failed"),
    ):
        key = unsubscribe_key(account, recipient, type_name)
        await pipeline.tables.put_unsubscribe(Unsubscribe(id=key, type=type_name, version=8))
    _, expired = suppression("c2@example.com", Reason.mailbox_full, 1, until_ms=2)
    await pipeline.tables.put_suppression(address_key("c2@example.com"), expired)

    stopped = {"unsubscribed": {"since_ms": 8, "by": ""}}
    assert (await one(pipeline, listed, event="g"))["stopped"] == stopped
    assert (await one(pipeline, "c1", event="a"))["stopped"] == stopped
    assert (await one(pipeline, "c2", event="a"))["stopped"] is None
    (listed_address,) = (await pipeline.explain(ExplainQuery(address="billing@example.com")))["people"]
    assert listed_address == {
        "recipient": listed,
        "known": False,
        "suppressed": None,
        "unsubscribed": {"invoice_available": {"since_ms": 8, "by": ""}},
    }


async def test_relays_that_take_no_mail_are_named(pipeline: FakePipeline) -> None:
    """With the worker, since when, why, and what to do; one that works is not named."""
    now = pipeline.clock.now_ms()
    refused = RelayReport(
        worker="w1",
        relay="relay1",
        state=RelayState.misconfigured,
        since_ms=now - 5000,
        reason=Reason.sender_refused,
        detail="553 not owned",
    )
    works = refused.model_copy(update={"relay": "relay2", "state": RelayState.ok})
    await pipeline.reports.put(
        WorkerReport(worker="w1", at_ms=now, started_ms=now, version="1", relays=(refused, works))
    )
    await pipeline.ingest(OVERBID)
    (relay,) = (await pipeline.explain(ExplainQuery("1")))["relays"]

    assert (relay["relay"], relay["worker"], relay["state"], relay["since_ms"]) == (
        "relay1",
        "w1",
        "misconfigured",
        now - 5000,
    )
    assert "TOCSIN_MAIL__SENDER" in relay["remedy"]


async def test_what_a_delivery_waits_for(pipeline: FakePipeline) -> None:
    """The relay for mail that is queued, since when and what to do; nothing that concerns other stages."""
    now = pipeline.clock.now_ms()
    away = RelayReport(
        worker="w1", relay="main", state=RelayState.breaker_open, since_ms=now - 5000, detail="refused"
    )
    stages = tuple(
        StageReport(worker="w1", stage=name, state=StageState.running, since_ms=now, partitions={name: (0,)})
        for name in ("resolve", "email.high", "email.normal", "email.bulk", "tables")
    )
    report = WorkerReport(worker="w1", at_ms=now, started_ms=now, version="1", stages=stages, relays=(away,))
    await pipeline.reports.put(report)
    await pipeline.ingest(OVERBID)

    problems = (await pipeline.explain(ExplainQuery("1")))["problems"]
    assert [(one["kind"], one["subject"], one["since_ms"]) for one in problems] == [
        ("stage_not_run", "inbox", None),
        ("relay_unreachable", "main", now - 5000),
    ]
    await pipeline.deliver()
    assert (await pipeline.explain(ExplainQuery("1")))["problems"] == []


async def test_an_event_that_is_not_in_the_ledger_may_wait_for_resolve(pipeline: FakePipeline) -> None:
    """Without a worker no event is resolved; that is said instead of nothing."""
    (problem,) = (await pipeline.explain(ExplainQuery("unknown")))["problems"]
    assert (problem["kind"], problem["remedy"]) == ("no_worker", "start one: `tocsin worker`")
