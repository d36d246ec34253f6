"""What-if answers by the code that decides, writes nothing, and agrees with what then happens."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.model.event import Event
from service.model.reasons import Reason
from service.model.recipient import Group
from service.model.record import Record
from service.model.suppression import suppression
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.operate.table_overlay import TableOverlay, preference_change
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.resolve.ingest import parse
from tests.support.fake_pipeline import FakePipeline
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
    return WhatIf(pipeline.catalogue, pipeline.tables, pipeline.inbox, log, pipeline.clock)


@pytest.fixture
async def pipeline() -> FakePipeline:
    made = FakePipeline()
    await made.seed()
    return made


async def test_it_agrees_with_what_then_happens() -> None:
    """For random events: what it said before is what `explain` says after, and asking wrote nothing."""
    pipeline = FakePipeline()
    of = make_scenario(pipeline.catalogue, 5, events=60)
    await pipeline.tables.put_recipients(of.recipients)
    await pipeline.tables.put_contacts(of.contacts)
    for group in of.groups:
        await pipeline.tables.put_group(group)
    for address in of.suppressed:
        await pipeline.tables.put_suppression(*suppression(address, Reason.mailbox_unknown, 5))
    ends = {"sent": "queued", "delivered": "queued"}
    for n, event in enumerate(of.events):
        fields = event | ({"data": {**event["data"], "lot_id": str(n)}} if "lot_id" in event["data"] else {})
        parsed = parse(json.dumps(fields).encode(), (), pipeline.catalogue, pipeline.clock.now_ms())
        assert isinstance(parsed, Event)
        would = (await what_if(pipeline).event(parsed))["would"]
        assert (await pipeline.explain(ExplainQuery(event["id"], SOURCE)))["events"] == []
        await pipeline.ingest(fields)
        await pipeline.deliver()
        (found,) = (await pipeline.explain(ExplainQuery(event["id"], SOURCE)))["events"]
        became = {
            (d["recipient"], d["channel"]): (ends.get(d["state"], d["state"]), d["reason"], d["found"])
            for d in found["deliveries"]
        }
        assert {
            (w["recipient"], w["channel"]): (w["state"], w["reason"], w["found"]) for w in would
        } == became


async def test_a_changed_preference_over_past_events(pipeline: FakePipeline) -> None:
    """Who would have heard and would not; others, other types, repeats and bad records make no difference."""
    asked = what_if(pipeline, OVERBID, OVERBID, b"{", OVERBID | {"id": "3", "type": "winner"}, INVOICE)
    document = await asked.change(preference_change("bob", "overbid", "email", on=False), days=1)

    assert document["events"] == 1
    assert document["counts"] == {"more": 0, "fewer": 1}
    (one,) = document["differences"]
    assert (one["recipient"], one["channel"], one["before"]["state"]) == ("bob", "email", "queued")
    assert (one["after"]["state"], one["after"]["reason"]) == ("skipped", "preference_off")
    assert pipeline.topics == {}


async def test_a_changed_group_over_past_events(pipeline: FakePipeline) -> None:
    """Who is added hears, who is taken out does not."""
    group = Group(external_id="12345", addresses={"invoice_available": ("new@example.com",)})
    document = await what_if(pipeline, OVERBID, INVOICE).change(TableOverlay(groups=[group]), days=1)

    assert (document["events"], document["counts"]) == (1, {"more": 1, "fewer": 1})
    assert {d["after"]["reason"] for d in document["differences"]} == {"", "not_found"}
    assert pipeline.tables.groups["12345", ""].addresses["invoice_available"] == ("billing@example.com",)


async def test_only_the_last_days_count(pipeline: FakePipeline) -> None:
    """What is older than asked for is not read."""
    change = preference_change("bob", "overbid", "email", on=False)

    assert (await what_if(pipeline, OVERBID).change(change, days=0.5 / 86_400))["events"] == 0
