"""What-if predicts by the code that decides, writes nothing, and agrees with what then happens."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.model.blocks.suppression import suppression
from service.model.event import Event
from service.model.reasons import Reason
from service.model.recipient import Group
from service.model.record import Record
from service.pipeline.email.allowances import Allowances
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.table_overlay import TableOverlay, preference_change
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.resolve.ingest import parse
from tests.support.described import DescribedWhatIf
from tests.support.fake_pipeline import FakePipeline
from tests.support.held_pipeline import HOUR, MINUTE, NOON, HeldPipeline
from tests.support.resolve_oracle import SOURCE, make_scenario

OVERBID = {
    "id": "1",
    "source": "/t",
    "type": "overbid",
    "recipients": ["alice", "bob"],
    "data": {"lot_id": "7"},
}
INVOICE = {"id": "2", "source": "/t", "type": "invoice_available", "external_id": "12345"}


class Log:
    """The EventLog port over a list."""

    def __init__(self, *events: dict[str, Any] | bytes, at_ms: int = 0) -> None:
        values = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
        self.records = [Record("events", 0, n, at_ms, None, value) for n, value in enumerate(values)]

    async def since(self, since_ms: int) -> AsyncIterator[Record]:
        for record in self.records:
            if record.timestamp_ms >= since_ms:
                yield record


def what_if(pipeline: FakePipeline, *events: dict[str, Any] | bytes) -> WhatIf:
    log = Log(*events, at_ms=pipeline.clock.now_ms() - 1000)
    allowances = Allowances(pipeline.catalogue, pipeline.limits, pipeline.allowance)
    return DescribedWhatIf(
        pipeline.catalogue, pipeline.tables, pipeline.inbox, log, allowances=allowances, clock=pipeline.clock
    )


@pytest.fixture
async def pipeline() -> FakePipeline:
    pipeline = FakePipeline()
    await pipeline.seed()
    return pipeline


async def test_it_agrees_with_what_then_happens() -> None:
    """For random events the prediction equals what `explain` shows afterwards; predicting wrote nothing."""
    pipeline = FakePipeline()
    scenario = make_scenario(pipeline.catalogue, 5, events=60)
    await pipeline.tables.put_recipients(scenario.recipients)
    await pipeline.tables.put_contacts(scenario.contacts)
    for group in scenario.groups:
        await pipeline.tables.put_group(group)
    for address in scenario.suppressed:
        await pipeline.tables.put_suppression(*suppression(address, Reason.mailbox_unknown, 5))
    ends = {"sent": "queued", "delivered": "queued"}
    for n, event in enumerate(scenario.events):
        fields = event | ({"data": {**event["data"], "lot_id": str(n)}} if "lot_id" in event["data"] else {})
        parsed = parse(json.dumps(fields).encode(), (), pipeline.catalogue, pipeline.clock.now_ms())
        assert isinstance(parsed, Event)
        predicted = (await what_if(pipeline).event(parsed))["would"]
        assert (await pipeline.explain(ExplainQuery(event["id"], SOURCE)))["events"] == []
        await pipeline.ingest(fields)
        await pipeline.deliver()
        (explained,) = (await pipeline.explain(ExplainQuery(event["id"], SOURCE)))["events"]
        actual = {
            (d["recipient"], d["channel"]): (ends.get(d["state"], d["state"]), d["reason"], d["found"])
            for d in explained["deliveries"]
        }
        assert {
            (p["recipient"], p["channel"]): (p["state"], p["reason"], p["found"]) for p in predicted
        } == actual


async def test_a_changed_preference_over_past_events(pipeline: FakePipeline) -> None:
    """Shows the recipient no longer notified; other types, repeated and invalid records make no difference."""
    predictor = what_if(pipeline, OVERBID, OVERBID, b"{", OVERBID | {"id": "3", "type": "winner"}, INVOICE)
    document = await predictor.change(preference_change("bob", "overbid", "email", on=False), days=1)

    assert document["events"] == 1
    assert document["counts"] == {"more": 0, "fewer": 1}
    (difference,) = document["differences"]
    assert (difference["recipient"], difference["channel"], difference["before"]["state"]) == (
        "bob",
        "email",
        "queued",
    )
    assert (difference["after"]["state"], difference["after"]["reason"]) == ("skipped", "preference_off")
    assert pipeline.topics == {}


async def test_a_reason_comes_with_its_sentence(pipeline: FakePipeline) -> None:
    """For an event and for a change; empty where there is no reason."""
    value = json.dumps(OVERBID | {"actor": "bob"}).encode()
    event = parse(value, (), pipeline.catalogue, pipeline.clock.now_ms())
    assert isinstance(event, Event)
    predicted = (await what_if(pipeline).event(event))["would"]
    change = preference_change("bob", "overbid", "email", on=False)
    (difference,) = (await what_if(pipeline, OVERBID).change(change, days=1))["differences"]

    assert {(p["reason"], p["reason_text"]) for p in predicted if p["recipient"] == "bob"} == {
        ("own_action", Reason.own_action.text)
    }
    assert {p["reason_text"] for p in predicted if p["recipient"] == "alice"} == {""}
    assert (difference["before"]["reason_text"], difference["after"]["reason_text"]) == (
        "",
        Reason.preference_off.text,
    )


async def test_a_changed_group_over_past_events(pipeline: FakePipeline) -> None:
    """An added address is notified, a removed one is not."""
    group = Group(external_id="12345", addresses={"invoice_available": ("new@example.com",)})
    document = await what_if(pipeline, OVERBID, INVOICE).change(TableOverlay(groups=[group]), days=1)

    assert (document["events"], document["counts"]) == (1, {"more": 1, "fewer": 1})
    assert {d["after"]["reason"] for d in document["differences"]} == {"", "not_found"}
    assert pipeline.tables.groups["12345", ""].addresses["invoice_available"] == ("billing@example.com",)


async def test_only_the_last_days_count(pipeline: FakePipeline) -> None:
    """Older events are not read."""
    change = preference_change("bob", "overbid", "email", on=False)

    assert (await what_if(pipeline, OVERBID).change(change, days=0.5 / 86_400))["events"] == 0


async def test_what_would_hold_a_mail_and_until_when() -> None:
    """Quiet hours, the time of the event, a digest and a limit; nothing is counted by asking."""
    pipeline = HeldPipeline()
    await pipeline.recipient(quiet_hours=[{"start": "22:00", "end": "07:00"}])
    await pipeline.notify("capped", 1)
    await pipeline.notify("capped", 2)

    async def predicted(type_name: str, **fields: object) -> tuple[str, str, int | None, str]:
        event = {"id": "x", "source": "/t", "type": type_name, "recipients": ["alice"], "data": {}} | fields
        now_ms = pipeline.clock.now_ms()
        parsed = parse(json.dumps(event).encode(), (), pipeline.catalogue, now_ms)
        assert isinstance(parsed, Event)
        document = await what_if(pipeline).event(parsed)
        (mail,) = [one for one in document["would"] if one["channel"] == "email" and not one["reminder"]]
        return mail["state"], mail["reason"], mail["until_ms"], mail["digest"]

    for _ in range(2):
        assert await predicted("capped") == ("held", "limit", NOON + HOUR, "")
    assert await predicted("plain", deliverat="2026-11-30T13:00:00Z") == (
        "held",
        "scheduled",
        NOON + HOUR,
        "",
    )
    assert await predicted("batched") == ("held", "digest", NOON + 10 * MINUTE, "bids")
    pipeline.clock.now = NOON + 11 * HOUR
    assert await predicted("plain") == ("held", "quiet_hours", NOON + 19 * HOUR, "")
    assert await predicted("urgent") == ("queued", "", None, "")
