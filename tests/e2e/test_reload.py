"""A catalogue that is reloaded while events flow: every event has its outcome, whatever the files are."""

import asyncio
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

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
    """Publish an event of the type `notice` every 50 ms for the block; yield them."""
    events: list[dict[str, object]] = []

    async def publish() -> None:
        while True:
            events.append(_event("notice", len(events), reference=str(len(events))))
            await pipeline.publish(events[-1])
            await asyncio.sleep(0.05)

    task = asyncio.create_task(publish())
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("reload_s", ["0", "0.3"])
async def test_types_and_texts_change_while_events_flow(tmp_path: Path, reload_s: str) -> None:
    """By SIGHUP, and by looks for changed files: the new type is delivered, and a broken file changes nothing."""
    own = tmp_path / "own"
    shutil.copytree(templates_directory() / "layout", own / "layout")
    _draft("notice", "Notice").write(own, "shop", ["en"])
    variables = {"TOCSIN_TEMPLATES__DIRECTORY": str(own), "TOCSIN_TEMPLATES__RELOAD_S": reload_s}
    async with RealPipeline(partitions=1) as pipeline:
        probe = await start_ready_worker(pipeline, stages="resolve,inbox,email,schedule", **variables)
        (worker,) = pipeline.workers
        async with (
            _flowing(pipeline) as events,
            api_server(pipeline, "up", "events", **variables) as (client, api),
        ):

            def notice() -> None:
                for pid in (worker.pid, api.pid) if reload_s == "0" else ():
                    os.kill(pid, signal.SIGHUP)

            refused = await client.post("/v1/events", json=_event("parcel", 0, reference="A-1"))
            assert refused.status_code == 422
            _draft("parcel", "Parcel").write(own, "shop", ["en"])
            first = await _version(pipeline)
            notice()
            second = await _changed(pipeline, first)
            await eventually(lambda: _accepts(client), 30)

            (own / "parcel" / "en.j2").write_text("{% block subject %}", "utf-8")
            notice()
            await eventually(lambda: _metric(probe, _FAILED), 30)
            await _deliver(pipeline, "broken", "Parcel: A-2")
            assert await _version(pipeline) == second

            (own / "parcel" / "en.j2").write_text(_draft("parcel", "Your parcel").template("en"), "utf-8")
            notice()
            await _changed(pipeline, second)
            await _deliver(pipeline, "mended", "Your parcel: A-2")
        assert worker.poll() is None

        for event in events:
            await pipeline.wait_until_finished("/t", str(event["id"]))
        outcomes = Counter(
            (outcome.event_id, outcome.channel)
            for outcome in await pipeline.outcomes()
            if outcome.type == "notice"
        )
        assert await pipeline.dead_letters() == []
        assert len(events) > 20
        sent = Counter(
            mail.subject
            for mail in pipeline.catcher.mails.newest_first()
            if mail.subject.startswith("Notice: ")
        )
        assert sum(sent.values()) == len(events)
        assert len(outcomes) == 2 * len(events)


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
