"""Withdrawals, explain, audit and what-if on the real pipeline, as a library and as commands."""

import asyncio
import random
from typing import Any

import pytest

from service.dev import samples
from service.model.blocks.suppression import suppression
from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import State, Transition, is_open
from service.model.reasons import Reason
from service.pipeline.operate.explain import ExplainQuery
from tests.e2e.cli.tocsin import Tocsin
from tests.support.real_pipeline import RealPipeline
from tests.support.resolve_oracle import SOURCE, expected_answers, explained_answer, make_scenario
from tests.support.wait import eventually


def command(pipeline: RealPipeline) -> Tocsin:
    """Return the command line with the settings of this pipeline."""
    settings = pipeline.settings
    return Tocsin(settings.kafka.bootstrap, settings.redis.url.get_secret_value(), name=pipeline.name)


def overbid(event_id: str, *recipients: str, lot: str = "9", **fields: Any) -> dict[str, Any]:
    return {
        "id": event_id, "source": "/e2e", "type": "overbid", "recipients": list(recipients),
        "data": {"lot_id": lot}, **fields,
    }  # fmt: skip


@pytest.mark.timeout(180)
async def test_explain_agrees_with_the_oracle_on_the_real_pipeline() -> None:
    """Random events of all shipped types, some withdrawn before they arrive: every recipient × channel."""
    async with RealPipeline() as pipeline:
        parts = pipeline.parts
        scenario = make_scenario(parts.catalogue, 11, events=30)
        await parts.writes.put_recipients(
            [
                *scenario.recipients,
                *[r.model_copy(update={"roles": (), "version": 9}) for r in samples.RECIPIENTS],
            ]
        )
        await parts.writes.put_contacts(scenario.contacts)
        for group in scenario.groups:
            await parts.writes.put_group(group)
        for address in scenario.suppressed:
            await parts.writes.put_suppression(*suppression(address, Reason.mailbox_unknown, 5))
        pipeline.start_worker("resolve")
        withdrawals = [
            {"id": f"w-{n}", "source": SOURCE, "type": "x.withdraw", "data": {"id": n}}
            for n in scenario.withdrawn
        ]
        await pipeline.publish(*withdrawals)
        await eventually(lambda: _heads_have(pipeline, scenario.withdrawn, "withdrawn_ms"), 60)
        shuffled = random.Random(1).sample(scenario.events, k=len(scenario.events))
        await pipeline.publish(*shuffled)
        await eventually(lambda: _heads_have(pipeline, {e["id"] for e in scenario.events}, "type"), 60)
        pipeline.start_worker("inbox,email,schedule")
        explain, expected = parts.explain(), expected_answers(scenario, parts.catalogue)
        keys = [event_key(SOURCE, event["id"]) for event in scenario.events]
        await eventually(lambda: _all_closed(pipeline, keys), 60)
        for event in scenario.events:
            names = scenario.recipient_ids
            queries = (explain(ExplainQuery(event["id"], SOURCE, name)) for name in names)
            for name, document in zip(names, await asyncio.gather(*queries), strict=True):
                for channel in ("email", "inbox"):
                    answer = explained_answer(document, name, channel)
                    assert answer == expected[event["id"], name, channel], (event, name, channel)
        audited = command(pipeline).run("audit", "--json", "--patience", "0.1")
        assert audited.code == 0, audited.out
        (document,) = audited.documents
        assert document["resolved"] == sum(answer[0] != "nothing" for answer in expected.values())
        assert document["balanced"]
        assert not document["open"]


async def _heads_have(pipeline: RealPipeline, names: set[str], field: str) -> bool:
    heads = [await pipeline.parts.ledger.head(event_key(SOURCE, name)) for name in names]
    return all(head is not None and field in head for head in heads)


async def _all_closed(pipeline: RealPipeline, keys: list[str]) -> bool:
    return not any([is_open(e.state) for key in keys async for e in pipeline.parts.ledger.entries(key)])


async def test_a_withdrawal_stops_what_is_pending_and_empties_inboxes() -> None:
    """By id and by supersede key, before and after the event; the outcomes and `explain` show it."""
    async with RealPipeline() as pipeline:
        pipeline.start_worker()
        tocsin = command(pipeline)
        await pipeline.publish(overbid("done", "alice"))
        await pipeline.wait_until_finished("/e2e", "done")
        assert await pipeline.parts.inbox.counts("alice") == {"overbid": 1}

        withdrawal = tocsin.run("publish", "withdraw", "--source", "/e2e", "--data", '{"id": "done"}')
        assert withdrawal.code == 0, withdrawal.err
        key = {"id": "w2", "source": "/e2e", "type": "withdraw", "data": {"type": "overbid", "key": "late"}}
        await pipeline.publish(key)
        await eventually(lambda: _inbox_counts(pipeline, {}), 60)
        await pipeline.wait_for_withdrawals(2)
        await pipeline.publish(overbid("late", "alice", lot="late", time="2026-01-01T00:00:00Z"))
        late = await pipeline.wait_until_finished("/e2e", "late")

        done = {(e.recipient, e.channel): e.state.value for e in await pipeline.entries("/e2e", "done")}
        assert done["alice", "inbox"] == "withdrawn"
        assert done["alice", "email"] == "sent"
        assert {e.state.value for e in late} == {"withdrawn"}
        both = {("done", "withdrawn"), ("late", "withdrawn")}
        await pipeline.wait_for_outcomes(
            lambda outcomes: both <= {(o.event_id, o.state.value) for o in outcomes}
        )

        explained = tocsin.run("explain", "--event", "done", "--recipient", "alice", "--json")
        (event,) = explained.documents[0]["events"]
        delivery = next(d for d in event["deliveries"] if d["channel"] == "email")
        step = delivery["steps"][0]
        assert (delivery["found"], step["relay"], step["reply"][:3]) == (
            "users",
            "relay1",
            "250",
        )
        assert explained.documents[0]["people"][0]["address"] == "a•••@e•••.com"
        by_address = tocsin.run("explain", "--address", "alice@example.com", "--type", "overbid")
        assert by_address.code == 0, by_address.err
        assert "alice@example.com" not in by_address.out
        assert "withdrawn" in by_address.out
        assert tocsin.run("explain", "--event", "nothing").code == 1


async def _inbox_counts(pipeline: RealPipeline, counts: dict[str, int]) -> bool:
    return dict(await pipeline.parts.inbox.counts("alice")) == counts


async def test_audit_finds_drift_and_repairs_it() -> None:
    """A due entry of a closed delivery, a deferred delivery without one, and an inbox with a wrong count."""
    async with RealPipeline() as pipeline:
        worker = pipeline.start_worker("resolve,inbox,email")
        await pipeline.publish(overbid("a", "alice"), overbid("b", "bob", lot="8"))
        for name in "ab":
            await pipeline.wait_until_finished("/e2e", name)
        worker.terminate()
        await asyncio.to_thread(worker.wait, 60)  # the relay is in this loop
        parts, tocsin = pipeline.parts, command(pipeline)
        assert tocsin.run("audit", "--patience", "0").code == 0

        event = event_key("/e2e", "c")
        await pipeline.publish(overbid("c", "bob", lot="7"))
        pipeline.start_worker("resolve")
        await eventually(lambda: _has_entries(pipeline, event, 4), 60)
        lost = delivery_id(event, "bob", "email")
        steps = (State.sending, Reason.none), (State.deferred, Reason.greylisted)
        await parts.ledger.transition([Transition(event, lost, to, why, 5, 1) for to, why in steps])
        closed = delivery_id(event_key("/e2e", "a"), "alice", "email")
        await parts.due.add([_delivery(closed, event_key("/e2e", "a"))], [9 * 10**12])
        counts = f"{parts.store.keys.inbox('alice')}:counts"
        await parts.store.pipeline([("HINCRBY", counts, "overbid", 3)])

        audited = tocsin.run("audit", "--patience", "0.1", "--json")
        assert audited.code == 1
        kinds = {one["kind"]: one["what"] for one in audited.documents[0]["drift"]}
        assert kinds == {
            "due missing": f"{event}:{lost}",
            "due unneeded": f"{event_key('/e2e', 'a')}:{closed}",
            "inbox": "alice",
        }
        repaired = tocsin.run("audit", "--repair", "--patience", "0.1", "--json")
        assert repaired.code == 0, repaired.out + repaired.err
        assert repaired.documents[0]["drift_left"] == 0
        assert tocsin.run("audit", "--patience", "0").code == 0
        assert await parts.inbox.counts("alice") == {"overbid": 1}
        assert list(await parts.due.times([closed])) == [None]

        pipeline.start_worker("email,schedule")
        await eventually(lambda: _is_in_state(pipeline, event, lost, State.sent), 60)


async def _has_entries(pipeline: RealPipeline, event: str, count: int) -> bool:
    return len([e async for e in pipeline.parts.ledger.entries(event)]) == count


async def _is_in_state(pipeline: RealPipeline, event: str, delivery: str, state: State) -> bool:
    entry = await pipeline.parts.ledger.entry(event, delivery)
    return entry is not None and entry.state is state


def _delivery(name: str, event: str) -> Delivery:
    return Delivery(
        id=name, event=event, event_id="a", source="/e2e", type="overbid", channel="email", recipient="alice",
        rule=AudienceRule.users, created_ms=0, received_ms=0, deadline_ms=9 * 10**12,
    )  # fmt: skip


async def test_what_if_answers_and_sends_nothing() -> None:
    """For an event that was not published, and for a change of a preference over the events that were."""
    async with RealPipeline() as pipeline:
        pipeline.start_worker()
        await pipeline.publish(overbid("a", "alice"), overbid("b", "bob", lot="8"))
        for name in "ab":
            await pipeline.wait_until_finished("/e2e", name)
        mail_counts, tocsin = pipeline.mail_counts(), command(pipeline)

        predicted = tocsin.run("what-if", "--event", "-", "--json", stdin=b'{"id":"x","source":"/e","type":"overbid",'
                           b'"recipients":["alice","ghost"],"data":{"lot_id":"7"}}')  # fmt: skip
        would = {
            (w["recipient"], w["channel"]): (w["state"], w["reason"]) for w in predicted.documents[0]["would"]
        }
        assert would["alice", "email"] == ("queued", "")
        assert would["ghost", "inbox"] == ("skipped", "no_such_recipient")
        assert would["carol", "email"] == ("queued", "")
        changed = tocsin.run("what-if", "--recipient", "carol", "--type", "overbid", "--off", "--json")
        (document,) = changed.documents
        assert document["counts"] == {"more": 0, "fewer": 2}
        assert {(d["event"]["id"], d["recipient"], d["channel"]) for d in document["differences"]} == {
            ("a", "carol", "email"),
            ("b", "carol", "email"),
        }
        shown = tocsin.run("what-if", "--recipient", "carol", "--type", "overbid")
        assert "2 events: 0 deliveries more, 2 fewer" in shown.out
        assert pipeline.mail_counts() == mail_counts
        assert not await pipeline.entries("/e", "x")
