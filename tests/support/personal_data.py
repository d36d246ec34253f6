"""People with a unique name go through the whole pipeline, in every way that can fail; and everything it showed.

They are canaries: their name and addresses occur nowhere else, so each occurrence in a log, metric or trace is a leak.
"""

import asyncio
import json
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx

from service.dev.ports import free_port
from service.model.record import Message
from service.pipeline.tables.credentials import set_password
from service.settings import templates_directory
from streams.topics.table import TOPICS
from tests.support.api_fixture import basic, token
from tests.support.bounce_messages import dsn
from tests.support.otlp_collector import Collector
from tests.support.paths import ROOT
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.redis_dump import keys_holding
from tests.support.smtp_server import Answer, ScriptedServer, Session
from tests.support.wait import eventually

STEM, NAME, DOMAIN = "quokka", "Zebedee Quokka", "wombat.example"
PERSONAL_TEXTS = (STEM, "zebedee", DOMAIN)
PEOPLE = ("fine", "bounced", "greylisted", "garbled", "unrenderable")
ERASED = ("greylisted", "fine", "team", "contact")
STAGES = "resolve,inbox,email,schedule,tables,bounces"


def address(name: str) -> str:
    return f"{STEM}-{name}@{DOMAIN}"


def _quote_address(session: Session, verb: str, line: str) -> Answer:
    """Script a relay that quotes the address in its replies."""
    quoted = line.partition(":")[2].strip()
    for name, reply in (
        ("bounced", f"550 5.1.1 {quoted}: no such user\r\n"),
        ("greylisted", f"451 4.7.1 {quoted} come back later\r\n"),
        ("garbled", f"{quoted} is not for us\r\n"),  # no reply at all
    ):
        if verb == "RCPT" and name in quoted:
            return reply.encode()
    return None


@dataclass
class Observations:
    """The logs, metrics, spans, records and documents that the pipeline showed.

    `left` holds for some people the keys of Redis that still name them after those of ERASED were erased.
    """

    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    printed: str = ""
    metrics: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    records: list[tuple[str, bytes | None, dict[str, bytes]]] = field(default_factory=list)
    exported: dict[str, Any] = field(default_factory=dict)
    erased: dict[str, dict[str, int]] = field(default_factory=dict)
    suppressed: list[bool] = field(default_factory=list)
    left: dict[str, list[bytes]] = field(default_factory=dict)
    states: dict[str, set[str]] = field(default_factory=dict)


def _templates(folder: Path) -> Path:
    """Return a copy of the product's templates, of which one cannot be rendered with some data."""
    copy = folder / "templates"
    shutil.copytree(templates_directory(), copy)
    for template in (copy / "winner").glob("*.j2"):
        broken = '{% block subject %}{{ 1 // 0 if "unrenderable" in data.lot_id else "" }}'
        template.write_text(template.read_text().replace("{% block subject %}", broken))
    return copy


@asynccontextmanager
async def _running_process(
    pipeline: RealPipeline, folder: Path, *command: str, **env: str
) -> AsyncIterator[Path]:
    """Run a process of the product for as long as the block lasts, and end it in order; yield its log."""
    log = folder / f"{command[0]}.log"
    with log.open("wb") as file, log.with_suffix(".out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *command], cwd=ROOT,
            env=pipeline.environment(TOCSIN_LOG_LEVEL="INFO", **env), stdout=out, stderr=file,
        )  # fmt: skip
    pipeline.workers.append(process)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)


async def observe(folder: Path) -> Observations:
    """Run the whole scenario on one pipeline and return everything that it showed."""
    ports = {name: free_port() for name in ("bounces", "metrics", "http", "api_metrics")}
    key = secrets.token_hex(32)
    variables = {
        "TOCSIN_MAIL__SECRETS": json.dumps([secrets.token_hex(16)]),
        "TOCSIN_MAIL__BOUNCE_DOMAIN": "bounces.tocsin.test",
        "TOCSIN_BOUNCES__PORT": str(ports["bounces"]),
        "TOCSIN_TEMPLATES__DIRECTORY": str(_templates(folder)),
        "TOCSIN_AUTH__SECRET": key,
        "TOCSIN_HTTP__PORT": str(ports["http"]),
        "TOCSIN_HTTP__METRICS_PORT": str(ports["api_metrics"]),
    }
    async with (
        ScriptedServer(_quote_address) as relay,
        Collector() as collector,
        RealPipeline(partitions=1, variables=variables | {"TOCSIN_SMTP__PORT": str(relay.port)}) as pipeline,
    ):
        seen = Observations()
        observed = {
            "TOCSIN_OTEL__ENDPOINT": collector.url,
            "TOCSIN_WORKER__METRICS_PORT": str(ports["metrics"]),
        }
        await set_password(pipeline.parts.table_writer(pipeline.producer), "acme", "acme-dev-only")
        async with (
            _running_process(pipeline, folder, "api") as api_log,
            _running_process(pipeline, folder, "worker", "--stages", STAGES, **observed) as worker_log,
            _client(ports["http"], key) as client,
        ):
            await wait_until_ready(f"http://127.0.0.1:{ports['metrics']}/readyz")
            await _write_rows(client)
            await _publish(pipeline)
            await _wait_for_states(pipeline)
            await _bounce(relay, ports["bounces"])
            await eventually(lambda: _has(pipeline, "fine", "bounced"), 60)
            await _query(client)
            seen.metrics = (await client.get(f"http://127.0.0.1:{ports['api_metrics']}/metrics")).text
            seen.metrics += await _worker_metrics(client, ports["metrics"])
            seen.states = {name: await _states(pipeline, name) for name in (*PEOPLE, "team")}
            await _export_and_erase(pipeline, folder, seen)
            rows = [
                await pipeline.parts.tables.suppression(address(name))
                for name in ("fine", "bounced", "garbled")
            ]
            seen.suppressed = [row is not None for row in rows]
            seen.left = {name: await _keys_left(pipeline, name) for name in (*ERASED, "unrenderable")}
        seen.records = await _records(pipeline)
        seen.spans = collector.spans
        for name, log in (("api", api_log), ("worker", worker_log)):
            seen.logs[name] = [json.loads(line) for line in log.read_text().splitlines()]
            seen.printed += log.with_suffix(".out").read_text()
        return seen


@asynccontextmanager
async def _client(port: int, key: str) -> AsyncIterator[httpx.AsyncClient]:
    bearer = token("ops", "inbox", "tables", "events", "operate", secret=key)
    headers = {"Authorization": f"Bearer {bearer}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers, 60)
        yield client


async def _worker_metrics(client: httpx.AsyncClient, port: int) -> str:
    """Return the worker's metrics once they have the ages from Redis, which a busy Redis leaves out."""
    metrics = ""

    async def complete() -> bool:
        nonlocal metrics
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        return 'stage="schedule",state="deferred"' in metrics

    await eventually(complete, 60, lambda: metrics)
    return metrics


async def _write_rows(client: httpx.AsyncClient) -> None:
    """Write rows by the API: some that are accepted, and some that are refused."""
    for name in PEOPLE:
        row = {"address": address(name), "name": f"{NAME} {name}", "timezone": "UTC"}
        assert (await client.put(f"/v1/recipients/{name}", json=row)).is_success
    row = {"address": f"{STEM}-twice@@{DOMAIN}", "name": NAME}
    assert (await client.put("/v1/recipients/refused", json=row)).status_code == 422
    group = {"external_id": "canaries", "invoice_available": [address("team")]}
    assert (await client.patch("/api/v1/notification/configure/", json=group)).is_success
    contact = {"objects": [{"email": address("contact"), "name": f"{NAME} Contact"}]}
    created = await client.post("/api/2.0/notification_contacts/", json=contact, auth=basic())
    assert created.is_success, created.text
    wrong = {"id": "x", "source": "/canary", "type": "winner", "data": {"lot": address("event")}}
    assert (await client.post("/v1/events", json=wrong)).status_code == 422


async def _publish(pipeline: RealPipeline) -> None:
    """Publish events and rows by Kafka: an event for each person, and events and a row that are refused."""
    lot = {"lot_id": "1", "note": address("data")}
    about = {"source": "/canary", "type": "winner"}
    await pipeline.publish(
        *({**about, "id": name, "recipients": [name], "data": lot} for name in PEOPLE[:-1]),
        {
            **about,
            "id": "unrenderable",
            "recipients": ["unrenderable"],
            "data": {"lot_id": f"unrenderable {address('lot')}"},
        },
        {**about, "id": "an-id", "recipients": [address("id")], "data": lot},
        {"id": "team", "source": "/canary", "type": "invoice_available", "external_id": "canaries"},
        {"id": "contact", "source": "/canary", "type": "payment_failed", "account": "acme"},
        {"id": "back", "source": "/canary", "type": "withdraw", "data": {"type": "overbid", "key": "7"}},
        {**about, "id": address("wrong"), "recipients": ["fine"], "data": {"lot": address("wrong")}},
        {"id": "unknown", "source": "/canary", "type": f"{STEM}@{DOMAIN}"},
        f'{{"id": "{address("broken")}", '.encode(),
    )
    row = json.dumps({"address": address("row"), "name": NAME, "row": "bad"}).encode()
    await pipeline.producer.publish([Message(pipeline.parts.topics.table("recipients"), b"row", row)])


async def _states(pipeline: RealPipeline, event: str) -> set[str]:
    return {entry.state.value for entry in await pipeline.entries("/canary", event)}


async def _has(pipeline: RealPipeline, event: str, *states: str) -> bool:
    return {*states} <= await _states(pipeline, event)


async def _wait_for_states(pipeline: RealPipeline) -> None:
    """Wait until each event has deliveries in the states expected of it, and every dead letter is written."""
    expected = {
        "fine": ("sent", "delivered"),
        "bounced": ("bounced",),
        "greylisted": ("deferred", "delivered"),
        "unrenderable": ("dead",),
        "team": ("sent",),
        "contact": ("sent",),
    }
    published = {("greylisted", "deferred"), ("greylisted", "delivered")}

    missing: list[str] = []

    async def done() -> bool:
        missing[:] = [event for event, states in expected.items() if not await _has(pipeline, event, *states)]
        if not missing and len(await pipeline.dead_letters()) < 5:
            missing.append("dead letters: three events, a row, a delivery")
        return not missing

    await eventually(done, 150, lambda: str(missing))
    await pipeline.wait_for_outcomes(
        lambda outcomes: published <= {(o.event_id, o.state.value) for o in outcomes}
    )


async def _bounce(relay: ScriptedServer, port: int) -> None:
    """Return a bounce of an accepted message, and bounces of messages that were never sent."""
    (message,) = [m for m in relay.arrived if address("fine") in m.recipients[0]]
    sender = message.sender.strip("<>")
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for to in (sender, sender.replace("=", "=x", 1), f"{STEM}@bounces.tocsin.test"):
            report = dsn(
                to, recipient=address("fine"), diagnostic=f"smtp; 550 5.1.1 <{address('fine')}>: gone"
            )
            try:
                await client.sendmail("", [to], report)
            except aiosmtplib.SMTPException:
                continue  # not one of ours


async def _query(client: httpx.AsyncClient) -> None:
    """Send queries that name a person."""
    assert (await client.get("/v1/explain", params={"address": address("fine")})).is_success
    assert (await client.get("/v1/recipients/fine")).is_success
    assert (await client.get(f"/v1/recipients/{address('unknown')}")).status_code == 404
    sample = {
        "id": "w",
        "source": "/canary",
        "type": "winner",
        "recipients": ["fine"],
        "data": {"lot_id": "1"},
    }
    answer = await client.post("/v1/what-if", json={"event": sample})
    assert answer.is_success, answer.text


async def _export_and_erase(pipeline: RealPipeline, folder: Path, seen: Observations) -> None:
    """Export the person whose mail is deferred, then erase those of ERASED, as an operator does."""
    out = folder / "export.json"
    code, _, output = await pipeline.tocsin(
        "privacy", "export", "--address", address("greylisted"), "--out", str(out)
    )
    assert code == 0, output
    seen.exported = json.loads(out.read_text())
    for name in ERASED:
        code, documents, output = await pipeline.tocsin(
            "privacy", "erase", "--address", address(name), "--yes", "--json"
        )
        assert code == 0, output
        seen.erased[name] = documents[0]


async def _keys_left(pipeline: RealPipeline, name: str) -> list[bytes]:
    """Return the keys of Redis that hold a person's address or name."""
    texts = (address(name), f"{NAME} {name}")
    return [key for text in texts for key in await keys_holding(pipeline.parts.store, text)]


async def _records(pipeline: RealPipeline) -> list[tuple[str, bytes | None, dict[str, bytes]]]:
    """Return topic, value and headers of every record; the topic is without the pipeline's prefix."""
    prefix = pipeline.settings.kafka.prefix
    names = [prefix + name for name in ("events", *(topic.name for topic in TOPICS))]
    records = await pipeline.records(*names)
    return [(r.topic.removeprefix(prefix), r.value, dict(r.headers)) for r in records]
