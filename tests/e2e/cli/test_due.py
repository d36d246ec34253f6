"""`tocsin due`: what waits is counted, listed, released, retimed and cancelled, with a record in the operation log."""

import asyncio
import json
import time

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.ledger.ledger import RedisLedger
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.reasons import Reason
from tests.e2e.cli.tocsin import Tocsin

HOUR = 3_600_000


def delivery(n: int, recipient: str) -> Delivery:
    event, now_ms = event_key("s", str(n)), int(time.time() * 1000)
    return Delivery(
        id=delivery_id(event, recipient, "email"), event=event, event_id=str(n), source="s", type="overbid",
        channel=Channel.email, recipient=recipient, rule=AudienceRule.users, created_ms=now_ms,
        received_ms=now_ms, deadline_ms=now_ms + 90 * HOUR,
    )  # fmt: skip


def hold(tocsin: Tocsin, *deliveries: Delivery) -> None:
    async def run() -> None:
        store = Store(tocsin.settings.redis)
        number = len(deliveries)
        times = [one.received_ms + HOUR + n for n, one in enumerate(deliveries)]
        reasons = [Reason.quiet_hours] * number
        await RedisDueSet(store).add(deliveries, times, [State.held] * number, reasons)
        await RedisLedger(store).open(
            [],
            [
                NewEntry(one.event, one.id, one.recipient, "email", State.held, Reason.quiet_hours, 1)
                for one in deliveries
            ],
        )
        await store.close()

    asyncio.run(run())


def test_what_waits_is_listed_and_changed(ready: Tocsin) -> None:
    """A change is counted and asked about first; a dry run changes nothing."""
    one, two, three = delivery(1, "alice"), delivery(2, "bob"), delivery(3, "eve@example.com")
    hold(ready, one, two, three)

    (report,) = ready.run("due", "--json").documents
    assert report["held"] == [{"lane": "normal", "reason": "quiet_hours", "count": 3}]
    assert "quiet_hours" in ready.run("due").out
    rows = ready.run("due", "list", "--json").documents
    assert [row["recipient"] for row in rows[:2]] == ["alice", "bob"]
    assert "eve@" not in json.dumps(rows)
    assert "there are more" in ready.run("due", "list", "--limit", "2").err
    assert [
        row["event_id"] for row in ready.run("due", "list", "--recipient", "bob", "--json").documents
    ] == ["2"]

    plan = ready.run("due", "cancel", one.id, "--dry-run", "--json")
    assert plan.documents[0]["total"] == 1
    assert ready.run("due", "cancel", one.id, stdin=b"n\n").code == 1
    assert ready.run("due", "cancel", one.id, "--yes", "--json").documents == [{"cancelled": 1}]
    assert "1 delivery skipped" in ready.run("due", "cancel", one.id, "--yes").err
    retimed = ready.run("due", "retime", "--at", "5h", "--recipient", "bob", "--yes")
    assert (retimed.code, retimed.out.splitlines()[-1]) == (0, "1 retimed"), retimed.err
    assert ready.run("due", "release", "--reason", "quiet_hours", "--yes", "--json").documents == [
        {"retimed": 1}
    ]

    until = {row["event_id"]: row for row in ready.run("due", "list", "--json").documents}
    assert until.keys() == {"2", "3"}
    assert until["3"]["until_ms"] < time.time() * 1000 < until["2"]["until_ms"] - 4 * HOUR
    assert {row["reason"] for row in until.values()} == {"retimed"}
    log = ready.run("tail", "audit", "--json", "--from-beginning", "--until-end", timeout_s=60)
    assert all(f'"{action}"' in log.out for action in ("release", "retime", "cancel_due"))
    assert "bob" not in log.out


def test_a_change_needs_a_choice(ready: Tocsin) -> None:
    """Wrong usage (exit code 2), and nothing is changed."""
    for arguments in (
        ("release", "--yes"),
        ("cancel", "x"),
        ("cancel", "--all", "--reason", "limit"),
        ("retime", "--all"),
    ):
        assert ready.run("due", *arguments).code == 2, arguments
