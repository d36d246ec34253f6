"""The whole line, seen from outside: what is published arrives, once, and what is wrong is explained."""

import json
from typing import Any

import pytest

from service.model.ledger import State
from service.model.recipient import Choice
from service.ports import LookupKeys
from tests.support.malformed_events import MALFORMED
from tests.support.real_pipeline import RealPipeline, eventually


def overbid(event_id: str, *recipients: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": event_id, "source": "/e2e", "type": "overbid", "recipients": list(recipients),
        "data": {"lot_id": "9"}, **fields,
    }  # fmt: skip


async def test_three_forms_published_three_times_arrive_once() -> None:
    """Bare JSON, structured and binary events reach their recipients once each, however often they are published."""
    async with RealPipeline() as line:
        line.start_worker()
        group = {
            "specversion": "1.0",
            "id": "g",
            "source": "/e2e",
            "type": "com.x.invoice_available",
            "externalid": "12345",
        }
        binary = [("ce_id", b"a"), ("ce_source", b"/e2e"), ("ce_type", b"payment"), ("ce_account", b"acme")]
        for _ in range(3):
            await line.publish(overbid("u", "alice", "bob"))
            await line.publish(group, headers=[("content-type", b"application/cloudevents+json")])
            await line.publish(b"{}", headers=binary)
        for event_id in "uga":
            await line.finished("/e2e", event_id)
        await line.publish(overbid("last", "alice"))
        await line.finished("/e2e", "last")

        mailed = line.mailed()
        assert set(mailed.values()) == {1}
        addresses = sorted(address for address, _ in mailed)
        assert addresses == sorted(
            ["alice@example.com", "bob@example.com", "carol@example.com", "billing@example.com",
             "some_email_1@example.com", "second.contact@example.com", "alice@example.com", "carol@example.com"]
        )  # fmt: skip
        assert await line.parts.inbox.counts("alice") == {"overbid": 2}
        assert await line.parts.inbox.counts("bob") == {"overbid": 1}


async def test_malformed_events_between_good_ones_stop_nothing() -> None:
    """Every good event is delivered; every bad one is a dead letter with its reason and its original bytes."""
    async with RealPipeline(partitions=1) as line:
        line.start_worker()
        for number, (value, _) in enumerate(MALFORMED):
            await line.publish(overbid(f"good-{number}", "alice"), value)
        await line.publish(overbid("end", "bob"))
        await line.finished("/e2e", "end")
        for number in range(len(MALFORMED)):
            await line.finished("/e2e", f"good-{number}")

        letters = await line.dead_letters()
        assert [(v, h["tocsin-reason"].decode()) for v, h in letters] == [(v or b"", r) for v, r in MALFORMED]
        assert all(h["tocsin-topic"].decode() == line.settings.kafka.events[0] for _, h in letters)
        assert [int(h["tocsin-offset"]) for _, h in letters] == [2 * n + 1 for n in range(len(MALFORMED))]


async def test_every_recipient_and_channel_has_one_line_in_the_ledger() -> None:
    """Also those who are not notified: switched off, own action, unknown, no address."""
    async with RealPipeline() as line:
        line.start_worker()
        rows = (await line.parts.tables.lookup(LookupKeys(recipients={"bob"}))).recipients
        off = {"overbid:email": Choice(on=False, since_ms=7, by="bob")}
        await line.parts.writes.put_recipients(
            [rows["bob"].model_copy(update={"preferences": off, "version": 2})]
        )
        await line.publish(overbid("w", "alice", "bob", "nobody", actor="carol"))
        found = await line.finished("/e2e", "w")

        told = {(e.recipient, e.channel): (e.state.value, e.steps[0].reason.value) for e in found}
        assert told == {
            ("alice", "email"): ("sent", ""),
            ("alice", "inbox"): ("delivered", ""),
            ("bob", "email"): ("skipped", "preference_off"),
            ("bob", "inbox"): ("delivered", ""),
            ("nobody", "email"): ("skipped", "no_such_recipient"),
            ("nobody", "inbox"): ("skipped", "no_such_recipient"),
            ("carol", "email"): ("skipped", "own_action"),
            ("carol", "inbox"): ("skipped", "own_action"),
        }


@pytest.mark.timeout(240)
async def test_kill_9_during_many_events_loses_nothing() -> None:
    """0 lost, 0 doubled in the inbox; mails doubled at most as many as were in flight."""
    async with RealPipeline() as line:
        worker = line.start_worker()
        count, in_flight = 3000, 500 * 4 + 64
        events = [overbid(f"k{n}", "alice", data={"lot_id": f"lot {n}"}) for n in range(count)]
        await line.publish(*events)
        await eventually(lambda: _some_mailed(line, count // 10), 60)
        worker.kill()
        worker.wait()
        line.start_worker()
        for n in range(count):
            await line.finished("/e2e", f"k{n}", seconds=120)

        mailed = line.mailed()
        assert len(mailed) == 2 * count  # alice and carol, each event
        assert sum(mailed.values()) - len(mailed) <= in_flight
        assert await line.parts.inbox.counts("carol") == {"overbid": 1000}  # the inbox's cap
        for final in (State.sent, State.delivered):
            await line.told(
                lambda told, f=final: len({o.delivery for o in told if o.state is f}) == 2 * count
            )


async def _some_mailed(line: RealPipeline, count: int) -> bool:
    return len(line.catcher.mails) >= count


def test_the_malformed_corpus_is_what_it_says() -> None:
    """No entry is a valid event."""
    assert len({json.dumps(repr(value)) for value, _ in MALFORMED}) == len(MALFORMED)
