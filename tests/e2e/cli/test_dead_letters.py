"""`tocsin dead-letters` on a real line: mended and sent back, or set aside; nothing is forgotten."""

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


async def listed(pipeline: RealPipeline, *filters: str) -> dict[str, str]:
    code, found, said = await pipeline.tocsin("dead-letters", "list", "--json", *filters)
    assert code == 0, said
    return {letter["reason"]: letter["state"] for letter in found}


@pytest.mark.timeout(180)
async def test_listed_shown_redriven_and_discarded() -> None:
    """Filters, masks, a question, a dry run; what is redriven is on its topic again; each letter has its state."""
    async with RealPipeline(partitions=2) as pipeline:
        pipeline.start_worker()
        wrong = b'{"id":"1","source":"/e2e","type":"overbid","recipients":["alice"],"data":{"to":"eve@example.com"}}'
        await pipeline.publish(
            wrong, b"{\xff", {"id": "2", "source": "/e2e", "type": "no_such"}, headers=[("trace", b"t1")]
        )
        await eventually(lambda: _letters(pipeline, 3), 60)

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
        code, documents, said = await pipeline.tocsin("dead-letters", "show", one["id"], "--json")
        assert code == 0, said
        (shown,) = documents
        assert shown["headers"] == {"trace": "t1"}
        assert "eve@example.com" not in shown["value"]
        _, _, plain = await pipeline.tocsin("dead-letters", "show", one["id"], "--show-personal")
        assert wrong.decode() in plain

        code, _, said = await pipeline.tocsin("dead-letters", "redrive", one["id"], stdin=b"n\n")
        assert (code, "nothing was done" in said) == (1, True)
        code, (row,), said = await pipeline.tocsin(
            "dead-letters", "redrive", "--all", "--type", "overbid", "--dry-run", "--json"
        )
        assert (code, row["letters"]) == (0, 1), said
        assert await _operations(pipeline) == []

        code, (done,), said = await pipeline.tocsin("dead-letters", "redrive", one["id"], "--yes", "--json")
        assert (code, done) == (0, {"redriven": 1}), said
        await eventually(
            lambda: _letters(pipeline, 4), 60
        )  # still wrong: it dies anew, as a letter of its own
        events = await pipeline.read(pipeline.settings.kafka.events[0])
        assert events.count((wrong, {"trace": b"t1"})) == 2

        code, (done,), said = await pipeline.tocsin(
            "dead-letters", "discard", "--reason", "invalid_utf8", "--yes", "--json"
        )
        assert (code, done) == (0, {"discarded": 1}), said
        states = sorted(
            (letter["reason"], letter["state"])
            for letter in (await pipeline.tocsin("dead-letters", "list", "--json"))[1]
        )
        assert states == [
            ("invalid_data", "open"),
            ("invalid_data", "redriven"),
            ("invalid_utf8", "discarded"),
            ("unknown_type", "open"),
        ]

        told = await _operations(pipeline)
        assert {(o.action.value, o.phase) for o in told} == {
            (action, phase) for action in ("redrive", "discard") for phase in OperationPhase
        }
        assert {o.who for o in told} == {getpass.getuser()}
        assert next(o for o in told if o.phase is OperationPhase.part and o.action == "redrive").items == (
            one["id"],
        )
        code, _, said = await pipeline.tocsin("dead-letters", "show", "0:999")
        assert (code, "there is no dead letter 0:999" in said) == (1, True)


@pytest.mark.timeout(180)
async def test_a_mail_that_died_is_redriven_and_arrives_once(tmp_path: Path) -> None:
    """Its template broke on this data; it is mended, an operator redrives the mail, and twice is once; audited."""
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
            (who, way): state
            for who in ("alice", "carol")
            for way, state in (("email", "dead"), ("inbox", "delivered"))
        }
        await eventually(lambda: _letters(pipeline, 2), 60)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
        page.write_text(good)
        pipeline.start_worker()

        redrive = ("dead-letters", "redrive", "--reason", "render_failed", "--yes", "--json")
        code, (done,), said = await pipeline.tocsin(*redrive)
        assert (code, done) == (0, {"redriven": 2}), said
        await eventually(lambda: _mails(pipeline, 2), 60)
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
            "sending",
            "queued",
        ]
        assert mail.steps[2].reason is Reason.replayed
        assert f"redriven by {getpass.getuser()}" in mail.steps[2].detail
        assert await listed(pipeline) == {"render_failed": "redriven"}
        told = await _operations(pipeline)
        assert [(o.action, o.phase) for o in told] == [("redrive", phase) for phase in OperationPhase]
        assert len(next(o for o in told if o.phase is OperationPhase.part).items) == 2


async def _mails(pipeline: RealPipeline, number: int) -> bool:
    return len(pipeline.catcher.mails) >= number


async def _letters(pipeline: RealPipeline, number: int) -> bool:
    return len(await pipeline.dead_letters()) >= number


async def _operations(pipeline: RealPipeline) -> list[Operation]:
    return [Operation.from_bytes(value) for value, _ in await pipeline.read(pipeline.parts.topics.audit)]
