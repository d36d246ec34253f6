"""`tocsin privacy` on a real pipeline."""

import json
import stat
from pathlib import Path

import pytest

from service.model.operation import Operation, OperationKind
from service.model.reasons import Reason
from service.model.recipient import Recipient
from tests.support.real_pipeline import RealPipeline
from tests.support.redis_dump import keys_holding
from tests.support.wait import eventually

ALICE = "alice@example.com"


@pytest.mark.timeout(180)
async def test_exported_and_erased(tmp_path: Path) -> None:
    """The export is complete; an erasure leaves no address in Redis; a new event for the id finds no recipient."""
    async with RealPipeline(partitions=2) as pipeline:
        # Written by the table writer, so that the row is on its topic too.
        await pipeline.parts.table_writer(pipeline.producer).recipient("alice", _renamed)
        pipeline.start_worker("resolve,inbox,email,schedule,tables")
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice", "bob"],
            "data": {"lot_id": "9"},
        }
        await pipeline.publish(event)
        await pipeline.wait_until_finished("/e2e", "1")
        await eventually(lambda: _has_final_outcomes(pipeline, 6), 60)

        out = tmp_path / "alice.json"
        code, _, output = await pipeline.tocsin(
            "privacy", "export", "--address", ALICE.upper(), "--out", str(out)
        )
        assert (code, stat.S_IMODE(out.stat().st_mode)) == (0, 0o600), output
        export = json.loads(out.read_text())
        assert [row["address"] for row in export["recipients"]] == [ALICE]
        assert sorted(entry["steps"][0]["state"] for entry in export["ledger"]) == ["delivered", "sent"]
        assert len(export["inbox"]) == 1
        topics = {record["topic"].partition(".")[2] for record in export["kafka"]}
        assert topics >= {"dispatch.inbox", "dispatch.outcomes"}
        assert "bob@example.com" not in out.read_text()

        code, _, output = await pipeline.tocsin("privacy", "erase", "--address", ALICE, stdin=b"n\n")
        assert (code, "nothing was done" in output) == (1, True)
        assert await pipeline.parts.inbox.counts("alice") == {"overbid": 1}
        code, (counts,), output = await pipeline.tocsin(
            "privacy", "erase", "--address", ALICE, "--yes", "--json"
        )
        assert (code, counts["recipients"], counts["inbox"], counts["ledger"]) == (0, 1, 1, 2), output

        assert await keys_holding(pipeline.parts.store, ALICE) == []
        keys = [
            key for key in await keys_holding(pipeline.parts.store, "alice") if b"{r:alice}:row" not in key
        ]
        assert [key for key in keys if b":newest" not in key] == []
        states = sorted(
            (e.recipient.partition("-")[0], e.state.value) for e in await pipeline.entries("/e2e", "1")
        )
        assert states == [
            ("bob", "delivered"),
            ("bob", "sent"),
            ("carol", "delivered"),
            ("carol", "sent"),
            ("erased", "sent"),
            ("erased", "withdrawn"),
        ]
        operations = [
            Operation.from_bytes(value) for value, _ in await pipeline.read(pipeline.parts.topics.audit)
        ]
        assert [o.action for o in operations] == [
            OperationKind.export,
            OperationKind.erase,
            OperationKind.erase,
        ]
        assert not any(b"alice" in o.to_bytes() for o in operations)

        await pipeline.publish({**event, "id": "2"})  # it names alice again, who has no row any more
        entries = await pipeline.wait_until_finished("/e2e", "2")
        assert {e.newest_step.reason for e in entries if e.recipient == "alice"} == {Reason.no_such_recipient}
        code, (again,), output = await pipeline.tocsin("privacy", "erase", "alice", "--yes", "--json")
        assert (code, again) == (0, {"ledger": 4}), output


def _renamed(row: Recipient | None) -> Recipient:
    assert row is not None
    return row.model_copy(update={"name": "Alice B"})


async def _has_final_outcomes(pipeline: RealPipeline, number: int) -> bool:
    return sum(o.state.value in ("sent", "delivered") for o in await pipeline.outcomes()) >= number
