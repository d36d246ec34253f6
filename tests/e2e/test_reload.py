"""A catalogue that is reloaded while events flow: every event has its outcome, whatever the files are."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from service.cli.develop.type_draft import TypeDraft
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.settings import templates_directory
from tests.support.api_process import api_server
from tests.support.readiness import start_ready_worker
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

_FAILED = 'tocsin_catalogue_reloads_total{result="failed"}'


def _event(type_name: str, number: object, **data: str) -> dict[str, object]:
    return {
        "id": f"{type_name}-{number}",
        "source": "/t",
        "type": type_name,
        "recipients": ["alice"],
        "data": data,
    }


@asynccontextmanager
async def _flowing(pipeline: RealPipeline) -> AsyncIterator[list[dict[str, object]]]:
    """Publish an event of the type `notice` every 100 ms for the block; yield them."""
    events: list[dict[str, object]] = []

    async def publish() -> None:
        while True:
            events.append(_event("notice", len(events), reference=str(len(events))))
            await pipeline.publish(events[-1])
            await asyncio.sleep(0.1)

    task = asyncio.create_task(publish())
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_types_and_texts_change_while_events_flow(tmp_path: Path) -> None:
    """The worker by SIGHUP, the API by looks for files: the new type is delivered, a broken file changes nothing."""
    own = tmp_path / "own"
    shutil.copytree(templates_directory() / "layout", own / "layout")
    _draft("notice", "Notice").write(own, "shop", ["en"])
    folder = {"TOCSIN_TEMPLATES__DIRECTORY": str(own)}
    async with RealPipeline(partitions=1) as pipeline:
        probe = await start_ready_worker(pipeline, stages="resolve,inbox,email,schedule", **folder)
        (worker,) = pipeline.workers
        async with (
            _flowing(pipeline) as events,
            api_server(pipeline, "up", "events", TOCSIN_TEMPLATES__RELOAD_S="0.3", **folder) as (client, _),
        ):
            refused = await client.post("/v1/events", json=_event("parcel", 0, reference="A-1"))
            assert refused.status_code == 422
            _draft("parcel", "Parcel").write(own, "shop", ["en"])
            first = await _version(pipeline)
            worker.send_signal(signal.SIGHUP)
            second = await _changed(pipeline, first)
            await eventually(lambda: _accepts(client), 30)

            (own / "parcel" / "en.j2").write_text("{% block subject %}", "utf-8")
            worker.send_signal(signal.SIGHUP)
            await eventually(lambda: _metric(probe, _FAILED), 30)
            await _deliver(pipeline, "broken", "Parcel: A-2")
            assert await _version(pipeline) == second

            (own / "parcel" / "en.j2").write_text(_draft("parcel", "Your parcel").template("en"), "utf-8")
            worker.send_signal(signal.SIGHUP)
            await _changed(pipeline, second)
            await _deliver(pipeline, "mended", "Your parcel: A-2")
        assert worker.poll() is None

        for event in events:
            await pipeline.wait_until_finished("/t", str(event["id"]))
        await pipeline.wait_for_outcomes(
            lambda outcomes: sum(outcome.type == "notice" for outcome in outcomes) == 2 * len(events)
        )
        assert await pipeline.dead_letters() == []
        assert len(events) > 20
        sent = [mail.subject for mail in pipeline.catcher.mails.newest_first()]
        assert sum(subject.startswith("Notice: ") for subject in sent) == len(events)


def _draft(name: str, title: str) -> TypeDraft:
    return TypeDraft(name, title, AudienceRule.users, [*Channel])


async def _deliver(pipeline: RealPipeline, number: str, subject: str) -> None:
    """Publish an event of the new type, and wait for its mail."""
    await pipeline.publish(_event("parcel", number, reference="A-2"))
    entries = await pipeline.wait_until_finished("/t", f"parcel-{number}")
    assert {(entry.channel, entry.state.value) for entry in entries} == {
        ("email", "sent"),
        ("inbox", "delivered"),
    }
    assert subject in {mail.subject for mail in pipeline.catcher.mails.newest_first()}


async def _accepts(client: httpx.AsyncClient) -> bool:
    response = await client.post("/v1/events", json=_event("parcel", "api", reference="A-1"))
    return response.status_code == 202


async def _version(pipeline: RealPipeline) -> str:
    """Return the version of the catalogue that the worker reports."""
    reports = await pipeline.parts.worker_reports.current(pipeline.parts.clock.now_ms())
    return reports[0].catalogue if reports else ""


async def _changed(pipeline: RealPipeline, before: str) -> str:
    """Wait until the worker has another version, and return it."""
    version = before

    async def changed() -> bool:
        nonlocal version
        version = await _version(pipeline)
        return version not in (before, "")

    await eventually(changed, 60)
    return version


async def _metric(probe: str, name: str) -> bool:
    async with httpx.AsyncClient() as client:
        text = (await client.get(probe.replace("/readyz", "/metrics"))).text
    return any(line.startswith(name) for line in text.splitlines())
