"""`tocsin dead-letters` on a real pipeline: list, show, redrive after a fix, and discard."""

import asyncio
import getpass
import shutil
from pathlib import Path

import pytest

from service.model.operation import Operation, OperationPhase
from service.model.reasons import Reason
from service.settings import templates_directory
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

RUN = (OperationPhase.begun, OperationPhase.part, OperationPhase.ended)
"""The phases of an operation with one part."""


async def listed(pipeline: RealPipeline, *filters: str) -> dict[str, str]:
    code, dead_letters, output = await pipeline.tocsin("dead-letters", "list", "--json", *filters)
    assert code == 0, output
    return {dead_letter["reason"]: dead_letter["state"] for dead_letter in dead_letters}


@pytest.mark.timeout(180)
async def test_listed_shown_redriven_and_discarded() -> None:
    """Filters, masks, confirmation, dry run; redriven originals are on their topic again; each has its status."""
    async with RealPipeline(partitions=2) as pipeline:
        pipeline.start_worker()
        invalid = b'{"id":"1","source":"/e2e","type":"overbid","recipients":["alice"],"data":{"to":"eve@example.com"}}'
        await pipeline.publish(
            invalid, b"{\xff", {"id": "2", "source": "/e2e", "type": "no_such"}, headers=[("trace", b"t1")]
        )
        await eventually(lambda: _has_dead_letters(pipeline, 3), 60)

        assert await listed(pipeline) == {
            "invalid_data": "open",
            "invalid_utf8": "open",
            "unknown_type": "open",
        }
        assert await listed(pipeline, "--type", "overbid") == {"invalid_data": "open"}
        assert await listed(pipeline, "--reason", "unknown_type", "--stage", "resolve", "--since", "1h") == {
            "unknown_type": "open"
        }
        assert await listed(pipeline, "--topic", "no.such") == {}

        _, (one,), _ = await pipeline.tocsin("dead-letters", "list", "--type", "overbid", "--json")
        code, documents, output = await pipeline.tocsin("dead-letters", "show", one["id"], "--json")
        assert code == 0, output
        (shown,) = documents
        assert shown["headers"] == {"trace": "t1"}
        assert "eve@example.com" not in shown["value"]
        _, _, plain = await pipeline.tocsin("dead-letters", "show", one["id"], "--show-personal")
        assert invalid.decode() in plain

        code, _, output = await pipeline.tocsin("dead-letters", "redrive", one["id"], stdin=b"n\n")
        assert (code, "nothing was done" in output) == (1, True)
        code, (row,), output = await pipeline.tocsin(
            "dead-letters", "redrive", "--all", "--type", "overbid", "--dry-run", "--json"
        )
        assert (code, row["letters"]) == (0, 1), output
        assert await _operations(pipeline) == []

        code, (done,), output = await pipeline.tocsin("dead-letters", "redrive", one["id"], "--yes", "--json")
        assert (code, done) == (0, {"redriven": 1}), output
        # It is still invalid, so it becomes another dead letter.
        await eventually(lambda: _has_dead_letters(pipeline, 4), 60)
        events = await pipeline.read(pipeline.settings.kafka.events[0])
        assert events.count((invalid, {"trace": b"t1"})) == 2

        code, (done,), output = await pipeline.tocsin(
            "dead-letters", "discard", "--reason", "invalid_utf8", "--yes", "--json"
        )
        assert (code, done) == (0, {"discarded": 1}), output
        states = sorted(
            (dead_letter["reason"], dead_letter["state"])
            for dead_letter in (await pipeline.tocsin("dead-letters", "list", "--json"))[1]
        )
        assert states == [
            ("invalid_data", "open"),
            ("invalid_data", "redriven"),
            ("invalid_utf8", "discarded"),
            ("unknown_type", "open"),
        ]

        operations = await _operations(pipeline)
        assert {(o.action.value, o.phase) for o in operations} == {
            (action, phase) for action in ("redrive", "discard") for phase in RUN
        }
        assert {o.who for o in operations} == {getpass.getuser()}
        assert next(
            o for o in operations if o.phase is OperationPhase.part and o.action == "redrive"
        ).items == (one["id"],)
        code, _, output = await pipeline.tocsin("dead-letters", "show", "0:999")
        assert (code, "there is no dead letter 0:999" in output) == (1, True)


@pytest.mark.timeout(180)
async def test_a_dead_email_is_redriven_and_arrives_once(tmp_path: Path) -> None:
    """The template failed on its data and is fixed; a second redrive sends nothing; the operation log has both."""
    templates = shutil.copytree(templates_directory(), tmp_path / "templates")
    good = (page := templates / "overbid" / "en.j2").read_text()
    page.write_text(
        good.replace("{% block subject %}", "{% block subject %}{{ 1 // (data.lot_id|length - 4) }}")
    )
    async with RealPipeline(variables={"TOCSIN_TEMPLATES__DIRECTORY": str(templates)}) as pipeline:
        worker = pipeline.start_worker()
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice"],
            "data": {"lot_id": "dead"},
        }
        await pipeline.publish(event)
        dead = {
            (e.recipient, e.channel): e.state.value for e in await pipeline.wait_until_finished("/e2e", "1")
        }
        assert dead == {
            (recipient, channel): state
            for recipient in ("alice", "carol")
            for channel, state in (("email", "dead"), ("inbox", "delivered"))
        }
        await eventually(lambda: _has_dead_letters(pipeline, 2), 60)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
        page.write_text(good)
        pipeline.start_worker()

        redrive = ("dead-letters", "redrive", "--reason", "render_failed", "--yes", "--json")
        code, (done,), output = await pipeline.tocsin(*redrive)
        assert (code, done) == (0, {"redriven": 2}), output
        await eventually(lambda: _has_mails(pipeline, 2), 60)
        sent = await pipeline.wait_until_finished("/e2e", "1")
        await pipeline.tocsin(*redrive)
        await pipeline.publish(event, {**event, "id": "after"})
        await pipeline.wait_until_finished("/e2e", "after")

        assert list(pipeline.mail_counts().values()) == [1] * 4
        mail = next(e for e in sent if (e.recipient, e.channel) == ("alice", "email"))
        assert [step.state.value for step in mail.steps] == [
            "sent",
            "sending",
            "queued",
            "dead",
            "queued",
        ]
        assert mail.steps[2].reason is Reason.replayed
        assert f"redriven by {getpass.getuser()}" in mail.steps[2].detail
        assert await listed(pipeline) == {"render_failed": "redriven"}
        operations = await _operations(pipeline)
        assert [(o.action, o.phase) for o in operations] == [("redrive", phase) for phase in RUN]
        assert len(next(o for o in operations if o.phase is OperationPhase.part).items) == 2


async def _has_mails(pipeline: RealPipeline, number: int) -> bool:
    return len(pipeline.catcher.mails) >= number


async def _has_dead_letters(pipeline: RealPipeline, number: int) -> bool:
    return len(await pipeline.dead_letters()) >= number


async def _operations(pipeline: RealPipeline) -> list[Operation]:
    return [Operation.from_bytes(value) for value, _ in await pipeline.read(pipeline.parts.topics.audit)]
