"""`tocsin privacy` on a real line, and what the worker's log says of persons: nothing."""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.model.ledger import Reason
from service.model.operation import Action, Operation
from service.model.recipient import Recipient
from tests.line import ROOT, Line, eventually
from tests.smtp_server import Answer, ScriptedServer, Session

ALICE = "alice@example.com"


@pytest.mark.timeout(180)
async def test_exported_and_erased(tmp_path: Path) -> None:
    """All that is kept comes out; after erasing, nothing in Redis names her, and a rebuild does not change that."""
    async with Line(partitions=2) as line:
        await line.parts.table_writer(line.publisher).recipient(
            "alice", _renamed
        )  # so that her row is in its topic
        line.start_worker("resolve,inbox,email,schedule,tables")
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice", "bob"],
            "data": {"lot_id": "9"},
        }
        await line.publish(event)
        await line.finished("/e2e", "1")
        await eventually(lambda: _told(line, 6), 30)

        out = tmp_path / "alice.json"
        code, _, said = await line.tocsin("privacy", "export", "--address", ALICE.upper(), "--out", str(out))
        assert (code, stat.S_IMODE(out.stat().st_mode)) == (0, 0o600), said
        kept = json.loads(out.read_text())
        assert [row["address"] for row in kept["recipients"]] == [ALICE]
        assert sorted(entry["steps"][0]["state"] for entry in kept["ledger"]) == ["delivered", "sent"]
        assert len(kept["inbox"]) == 1
        topics = {record["topic"].partition(".")[2] for record in kept["kafka"]}
        assert topics >= {"dispatch.inbox", "dispatch.outcomes"}
        assert "bob@example.com" not in out.read_text()

        code, _, said = await line.tocsin("privacy", "erase", "--address", ALICE, given=b"n\n")
        assert (code, "nothing was done" in said) == (1, True)
        assert await line.parts.inbox.counts("alice") == {"overbid": 1}
        code, (counts,), said = await line.tocsin("privacy", "erase", "--address", ALICE, "--yes", "--json")
        assert (code, counts["recipients"], counts["inbox"], counts["ledger"]) == (0, 1, 1, 2), said

        assert await _holding(line, ALICE) == []
        named = [key for key in await _holding(line, "alice") if b"{r:alice}:row" not in key]
        assert [key for key in named if b":newest" not in key] == []
        states = sorted(
            (e.recipient.partition("-")[0], e.state.value) for e in await line.entries("/e2e", "1")
        )
        assert states == [
            ("bob", "delivered"),
            ("bob", "sent"),
            ("carol", "delivered"),
            ("carol", "sent"),
            ("erased", "sent"),
            ("erased", "withdrawn"),
        ]
        told = [Operation.from_bytes(value) for value, _ in await line.read(line.parts.topics.audit)]
        assert [o.action for o in told] == [Action.export, Action.erase, Action.erase]
        assert not any(b"alice" in o.to_bytes() for o in told)

        await line.publish({**event, "id": "2"})  # she is named again, and nobody is found
        found = await line.finished("/e2e", "2")
        assert {e.steps[0].reason for e in found if e.recipient == "alice"} == {Reason.no_such_recipient}
        code, (again,), said = await line.tocsin("privacy", "erase", "alice", "--yes", "--json")
        assert (code, again) == (0, {"ledger": 4}), said


def _renamed(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"name": "Alice B"})


async def _told(line: Line, number: int) -> bool:
    return sum(o.state.value in ("sent", "delivered") for o in await line.outcomes()) >= number


async def _holding(line: Line, text: str) -> list[bytes]:
    """The keys of this line whose name or content has the text."""
    store, found = line.parts.store, list[bytes]()
    async for keys in store.scan(f"{line.settings.redis.prefix}*"):
        for key in keys:
            (dump,) = await store.pipeline([("DUMP", key)])
            if text.encode() in key or text.encode() in (dump or b""):
                found.append(key)
    return found


def _rude(session: Session, verb: str, line: str) -> Answer:
    """A relay that quotes the address in what it says, and fails in several ways."""
    address = line.partition(":")[2].strip()
    if verb == "RCPT":
        for name, reply in (
            ("bounced", f"550 5.1.1 {address}: no such user\r\n"),
            ("greylisted", f"451 4.7.1 {address} come back later\r\n"),
            ("rude", f"{address} is not for us\r\n"),  # no reply at all
        ):
            if name in address:
                return reply.encode()
    return None


@pytest.mark.timeout(180)
async def test_no_address_is_logged_at_info(tmp_path: Path) -> None:
    """Over bounces, refusals, a relay that speaks no SMTP, and dead letters full of addresses."""
    names = ("fine", "bounced", "greylisted", "rude")
    rows = [
        Recipient(id=n, address=f"{n}.person@secret.example", name="Pat Secret", version=2) for n in names
    ]
    log = tmp_path / "worker.log"
    async with ScriptedServer(_rude) as relay, Line(partitions=2) as line:
        await line.parts.writes.put_recipients(rows)
        environment = line.environment(
            TOCSIN_LOG_LEVEL="INFO", TOCSIN_SMTP__PORT=str(relay.port), TOCSIN_WORKER__METRICS_PORT="0"
        )
        with log.open("wb") as file:
            worker = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "worker"],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
            )
        line.workers.append(worker)
        data = {"lot_id": "mail me at data.person@secret.example"}
        wrong = {"id": "wrong", "source": "/log", "type": "overbid", "recipients": ["x"]}
        await line.publish(
            *({"id": n, "source": "/log", "type": "winner", "recipients": [n], "data": data} for n in names),
            {**wrong, "data": {"a": "dead.person@secret.example"}},
            b'{"id": "broken.person@secret.example", ',
        )
        await eventually(lambda: _states(line, {"sent", "bounced", "deferred"}), 60)
        await eventually(lambda: _dead(line, 2), 30)
        worker.terminate()
        await asyncio.get_running_loop().run_in_executor(None, worker.wait, 30)

        said = log.read_text()
        assert '"level":"info"' in said
        for person in (*names, "data", "dead", "broken"):
            assert f"{person}.person" not in said, person
        assert "secret.example" not in said
        assert "Pat Secret" not in said
        assert [m for m in relay.arrived if "fine.person" in m.recipients[0]]


async def _states(line: Line, wanted: set[str]) -> bool:
    return wanted <= {o.state.value for o in await line.outcomes()}


async def _dead(line: Line, number: int) -> bool:
    return len(await line.dead_letters()) >= number
