"""The whole pipeline from outside: events arrive once, and bad ones are dead letters with their reason."""

import json
from typing import Any

import pytest

from service.model.ledger import State
from service.model.recipient import Choice
from service.ports import LookupKeys
from tests.support.malformed_events import MALFORMED
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually


def overbid(event_id: str, *recipients: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": event_id, "source": "/e2e", "type": "overbid", "recipients": list(recipients),
        "data": {"lot_id": "9"}, **fields,
    }  # fmt: skip


async def test_three_forms_published_three_times_arrive_once() -> None:
    """Bare JSON, structured and binary events reach their recipients once each, however often they are published."""
    async with RealPipeline() as pipeline:
        pipeline.start_worker()
        group = {
            "specversion": "1.0",
            "id": "g",
            "source": "/e2e",
            "type": "com.x.invoice_available",
            "externalid": "12345",
        }
        binary = [("ce_id", b"a"), ("ce_source", b"/e2e"), ("ce_type", b"payment"), ("ce_account", b"acme")]
        for _ in range(3):
            await pipeline.publish(overbid("u", "alice", "bob"))
            await pipeline.publish(group, headers=[("content-type", b"application/cloudevents+json")])
            await pipeline.publish(b"{}", headers=binary)
        for event_id in "uga":
            await pipeline.wait_until_finished("/e2e", event_id)
        await pipeline.publish(overbid("last", "alice"))
        await pipeline.wait_until_finished("/e2e", "last")

        mailed = pipeline.mail_counts()
        assert set(mailed.values()) == {1}
        addresses = sorted(address for address, _ in mailed)
        assert addresses == sorted(
            ["alice@example.com", "bob@example.com", "carol@example.com", "billing@example.com",
             "some_email_1@example.com", "second.contact@example.com", "alice@example.com", "carol@example.com"]
        )  # fmt: skip
        assert await pipeline.parts.inbox.counts("alice") == {"overbid": 2}
        assert await pipeline.parts.inbox.counts("bob") == {"overbid": 1}


async def test_malformed_events_between_good_ones_stop_nothing() -> None:
    """Every good event is delivered; every bad one is a dead letter with its reason, its bytes or their beginning."""
    async with RealPipeline(partitions=1) as pipeline:
        pipeline.start_worker()
        for number, (value, _) in enumerate(MALFORMED):
            await pipeline.publish(overbid(f"good-{number}", "alice"), value)
        await pipeline.publish(overbid("end", "bob"))
        await pipeline.wait_until_finished("/e2e", "end")
        for number in range(len(MALFORMED)):
            await pipeline.wait_until_finished("/e2e", f"good-{number}")

        dead_letters: list[tuple[bytes, dict[str, bytes]]] = []

        async def all_are_refused() -> bool:
            dead_letters[:] = await pipeline.dead_letters()
            return len(dead_letters) >= len(MALFORMED)

        await eventually(all_are_refused, 60, lambda: f"{len(dead_letters)} dead letters")
        # A record that is too large is refused apart from its batch: the order is not that of the events.
        dead_letters.sort(key=lambda letter: int(letter[1]["tocsin-offset"]))
        for (held, headers), (value, reason) in zip(dead_letters, MALFORMED, strict=True):
            assert headers["tocsin-reason"].decode() == reason
            assert value.startswith(held)
            assert held == value or (len(value) > 65_536 and int(headers["tocsin-size"]) == len(value))
        assert all(h["tocsin-topic"].decode() == pipeline.settings.kafka.events[0] for _, h in dead_letters)
        assert [int(h["tocsin-offset"]) for _, h in dead_letters] == [
            2 * n + 1 for n in range(len(MALFORMED))
        ]


async def test_every_recipient_and_channel_has_one_entry_in_the_ledger() -> None:
    """Recipients who are not notified have one too: preference off, own action, unknown, no address."""
    async with RealPipeline() as pipeline:
        pipeline.start_worker()
        rows = (await pipeline.parts.tables.lookup(LookupKeys(recipients={"bob"}))).recipients
        off = {"overbid:email": Choice(on=False, since_ms=7, by="bob")}
        await pipeline.parts.writes.put_recipients(
            [rows["bob"].model_copy(update={"preferences": off, "version": 2})]
        )
        await pipeline.publish(overbid("w", "alice", "bob", "unknown", actor="carol"))
        entries = await pipeline.wait_until_finished("/e2e", "w")

        states = {(e.recipient, e.channel): (e.state.value, e.newest_step.reason.value) for e in entries}
        assert states == {
            ("alice", "email"): ("sent", ""),
            ("alice", "inbox"): ("delivered", ""),
            ("bob", "email"): ("skipped", "preference_off"),
            ("bob", "inbox"): ("delivered", ""),
            ("unknown", "email"): ("skipped", "no_such_recipient"),
            ("unknown", "inbox"): ("skipped", "no_such_recipient"),
            ("carol", "email"): ("skipped", "own_action"),
            ("carol", "inbox"): ("skipped", "own_action"),
        }


@pytest.mark.timeout(240)
async def test_kill_9_during_many_events_loses_nothing() -> None:
    """No delivery is lost, none is doubled in the inbox; at most the mail in flight is sent twice."""
    async with RealPipeline() as pipeline:
        worker = pipeline.start_worker()
        count, in_flight = 3000, 500 * 4 + 64
        events = [overbid(f"k{n}", "alice", data={"lot_id": f"lot {n}"}) for n in range(count)]
        await pipeline.publish(*events)
        await eventually(lambda: _some_mailed(pipeline, count // 10), 60)
        worker.kill()
        worker.wait()
        pipeline.start_worker()
        for n in range(count):
            await pipeline.wait_until_finished("/e2e", f"k{n}", timeout_s=120)

        mailed = pipeline.mail_counts()
        assert len(mailed) == 2 * count  # alice and carol, each event
        assert sum(mailed.values()) - len(mailed) <= in_flight
        assert await pipeline.parts.inbox.counts("carol") == {"overbid": 1000}  # the inbox's cap
        for final in (State.sent, State.delivered):
            await pipeline.wait_for_outcomes(
                lambda outcomes, f=final: len({o.delivery for o in outcomes if o.state is f}) == 2 * count
            )


async def _some_mailed(pipeline: RealPipeline, count: int) -> bool:
    return len(pipeline.catcher.mails) >= count


def test_the_malformed_corpus_has_no_duplicates() -> None:
    """Every entry tests a form of its own."""
    assert len({json.dumps(repr(value)) for value, _ in MALFORMED}) == len(MALFORMED)
