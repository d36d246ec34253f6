"""A person nobody else is called like goes through the whole line, in every way that can fail; and what was seen."""

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
from aiokafka import AIOKafkaConsumer

from service.dev.ports import free_port
from service.model.record import Message
from service.pipeline.tables.credentials import set_password
from service.settings import templates_directory
from streams.topics.table import TOPICS
from tests.support.api_fixture import basic, token
from tests.support.bounce_messages import dsn
from tests.support.otlp_collector import Collector
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline, eventually
from tests.support.redis_dump import holding
from tests.support.smtp_server import Answer, ScriptedServer, Session

STEM, NAME, DOMAIN = "quokka", "Zebedee Quokka", "wombat.example"
TELLTALES = (STEM, "zebedee", DOMAIN)
PEOPLE = ("fine", "bounced", "greylisted", "rude", "kaputt")
ERASED = ("greylisted", "fine", "team", "contact")
STAGES = "resolve,inbox,email,schedule,tables,bounces"


def address(who: str) -> str:
    return f"{STEM}-{who}@{DOMAIN}"


def _rude(session: Session, verb: str, line: str) -> Answer:
    """A relay that quotes the address in what it says."""
    quoted = line.partition(":")[2].strip()
    for who, reply in (
        ("bounced", f"550 5.1.1 {quoted}: no such user\r\n"),
        ("greylisted", f"451 4.7.1 {quoted} come back later\r\n"),
        ("rude", f"{quoted} is not for us\r\n"),  # no reply at all
    ):
        if verb == "RCPT" and who in quoted:
            return reply.encode()
    return None


@dataclass
class Seen:
    """What the line showed and told. `left`: keys of Redis that name somebody, after those of ERASED were."""

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
    """Those of the product, of which one cannot be rendered with some data."""
    found = folder / "templates"
    shutil.copytree(templates_directory(), found)
    for template in (found / "winner").glob("*.j2"):
        broken = '{% block subject %}{{ 1 // 0 if "kaputt" in data.lot_id else "" }}'
        template.write_text(template.read_text().replace("{% block subject %}", broken))
    return found


@asynccontextmanager
async def _running(line: RealPipeline, folder: Path, *command: str, **env: str) -> AsyncIterator[Path]:
    """A process of the product, with its log, until it has ended in order."""
    log = folder / f"{command[0]}.log"
    with log.open("wb") as file, log.with_suffix(".out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *command], cwd=ROOT,
            env=line.environment(TOCSIN_LOG_LEVEL="INFO", **env), stdout=out, stderr=file,
        )  # fmt: skip
    line.workers.append(process)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)


async def look(folder: Path) -> Seen:
    ports = {name: free_port() for name in ("bounces", "metrics", "http")}
    key = secrets.token_hex(32)
    variables = {
        "TOCSIN_MAIL__SECRETS": json.dumps([secrets.token_hex(16)]),
        "TOCSIN_MAIL__BOUNCE_DOMAIN": "bounces.tocsin.test",
        "TOCSIN_BOUNCES__PORT": str(ports["bounces"]),
        "TOCSIN_TEMPLATES__DIRECTORY": str(_templates(folder)),
        "TOCSIN_AUTH__SECRET": key,
        "TOCSIN_HTTP__PORT": str(ports["http"]),
    }
    async with (
        ScriptedServer(_rude) as relay,
        Collector() as collector,
        RealPipeline(partitions=1, variables=variables | {"TOCSIN_SMTP__PORT": str(relay.port)}) as line,
    ):
        told = Seen()
        traced = {
            "TOCSIN_OTEL__ENDPOINT": collector.url,
            "TOCSIN_WORKER__METRICS_PORT": str(ports["metrics"]),
        }
        await set_password(line.parts.table_writer(line.publisher), "acme", "acme-dev-only")
        async with (
            _running(line, folder, "api") as api_log,
            _running(line, folder, "worker", "--stages", STAGES, **traced) as worker_log,
            _client(ports["http"], key) as client,
        ):
            await _told_the_api(client)
            await _published(line)
            await _answered(line)
            await _returned(relay, ports["bounces"])
            await eventually(lambda: _has(line, "fine", "bounced"), 60)
            await _asked(client)
            told.metrics = (await client.get("/metrics")).text
            told.metrics += (await client.get(f"http://127.0.0.1:{ports['metrics']}/metrics")).text
            told.states = {who: await _states(line, who) for who in (*PEOPLE, "team")}
            await _operated(line, folder, told)
            rows = [await line.parts.tables.suppression(address(who)) for who in ("fine", "bounced", "rude")]
            told.suppressed = [row is not None for row in rows]
            told.left = {who: await _left(line, who) for who in (*ERASED, "kaputt")}
        told.records = await _records(line)
        told.spans = collector.spans
        for name, log in (("api", api_log), ("worker", worker_log)):
            told.logs[name] = [json.loads(row) for row in log.read_text().splitlines()]
            told.printed += log.with_suffix(".out").read_text()
        return told


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


async def _told_the_api(client: httpx.AsyncClient) -> None:
    """Rows by the API: those that are taken, and those that are refused."""
    for who in PEOPLE:
        row = {"address": address(who), "name": f"{NAME} {who}", "timezone": "UTC"}
        assert (await client.put(f"/v1/recipients/{who}", json=row)).is_success
    row = {"address": f"{STEM}-twice@@{DOMAIN}", "name": NAME}
    assert (await client.put("/v1/recipients/refused", json=row)).status_code == 422
    group = {"external_id": "canaries", "invoice_available": [address("team")]}
    assert (await client.patch("/api/v1/notification/configure/", json=group)).is_success
    contact = {"objects": [{"email": address("contact"), "name": f"{NAME} Contact"}]}
    made = await client.post("/api/2.0/notification_contacts/", json=contact, auth=basic())
    assert made.is_success, made.text
    wrong = {"id": "x", "source": "/canary", "type": "winner", "data": {"lot": address("event")}}
    assert (await client.post("/v1/events", json=wrong)).status_code == 422


async def _published(line: RealPipeline) -> None:
    """Events and rows by Kafka: for everybody, and those that are refused."""
    lot = {"lot_id": "1", "note": address("data")}
    about = {"source": "/canary", "type": "winner"}
    await line.publish(
        *({**about, "id": who, "recipients": [who], "data": lot} for who in PEOPLE[:-1]),
        {**about, "id": "kaputt", "recipients": ["kaputt"], "data": {"lot_id": f"kaputt {address('lot')}"}},
        {**about, "id": "an-id", "recipients": [address("id")], "data": lot},
        {"id": "team", "source": "/canary", "type": "invoice_available", "external_id": "canaries"},
        {"id": "contact", "source": "/canary", "type": "payment_failed", "account": "acme"},
        {"id": "back", "source": "/canary", "type": "withdraw", "data": {"type": "overbid", "key": "7"}},
        {**about, "id": address("wrong"), "recipients": ["fine"], "data": {"lot": address("wrong")}},
        {"id": "unknown", "source": "/canary", "type": f"{STEM}@{DOMAIN}"},
        f'{{"id": "{address("broken")}", '.encode(),
    )
    row = json.dumps({"address": address("row"), "name": NAME, "row": "bad"}).encode()
    await line.producer.publish([Message(line.parts.topics.table("recipients"), b"row", row)])


async def _states(line: RealPipeline, event: str) -> set[str]:
    return {entry.state.value for entry in await line.entries("/canary", event)}


async def _has(line: RealPipeline, event: str, *states: str) -> bool:
    return {*states} <= await _states(line, event)


async def _answered(line: RealPipeline) -> None:
    wanted = {
        "fine": "sent",
        "bounced": "bounced",
        "greylisted": "deferred",
        "kaputt": "dead",
        "team": "sent",
    }

    missing: list[str] = []

    async def done() -> bool:
        missing[:] = [event for event, state in wanted.items() if not await _has(line, event, state)]
        if not missing and len(await line.dead_letters()) < 5:
            missing.append("dead letters: three events, a row, a mail")
        return not missing

    await eventually(done, 150, lambda: str(missing))


async def _returned(relay: ScriptedServer, port: int) -> None:
    """The mail that was taken comes back, and so does one that nobody sent."""
    (mail,) = [m for m in relay.arrived if address("fine") in m.recipients[0]]
    sender = mail.sender.strip("<>")
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for to in (sender, sender.replace("=", "=x", 1), f"{STEM}@bounces.tocsin.test"):
            report = dsn(
                to, recipient=address("fine"), diagnostic=f"smtp; 550 5.1.1 <{address('fine')}>: gone"
            )
            try:
                await client.sendmail("", [to], report)
            except aiosmtplib.SMTPException:
                continue  # not one of ours


async def _asked(client: httpx.AsyncClient) -> None:
    """Questions that name the person."""
    assert (await client.get("/v1/explain", params={"address": address("fine")})).is_success
    assert (await client.get("/v1/recipients/fine")).is_success
    assert (await client.get(f"/v1/recipients/{address('nobody')}")).status_code == 404
    sample = {
        "id": "w",
        "source": "/canary",
        "type": "winner",
        "recipients": ["fine"],
        "data": {"lot_id": "1"},
    }
    answer = await client.post("/v1/what-if", json={"event": sample})
    assert answer.is_success, answer.text


async def _operated(line: RealPipeline, folder: Path, told: Seen) -> None:
    """The export of the one whose mail waits, then everybody is erased, as an operator does."""
    out = folder / "export.json"
    code, _, said = await line.tocsin(
        "privacy", "export", "--address", address("greylisted"), "--out", str(out)
    )
    assert code == 0, said
    told.exported = json.loads(out.read_text())
    for who in ERASED:
        code, documents, said = await line.tocsin(
            "privacy", "erase", "--address", address(who), "--yes", "--json"
        )
        assert code == 0, said
        told.erased[who] = documents[0]


async def _left(line: RealPipeline, who: str) -> list[bytes]:
    named = [await holding(line.parts.store, text) for text in (address(who), f"{NAME} {who}")]
    return [key for keys in named for key in keys]


async def _records(line: RealPipeline) -> list[tuple[str, bytes | None, dict[str, bytes]]]:
    """Every record of every topic; the names without the line's prefix."""
    prefix = line.settings.kafka.prefix
    names = [prefix + name for name in ("events", *(topic.name for topic in TOPICS))]
    consumer = AIOKafkaConsumer(
        *names, bootstrap_servers=line.settings.kafka.bootstrap, auto_offset_reset="earliest", group_id=None
    )
    found: list[tuple[str, bytes | None, dict[str, bytes]]] = []
    async with consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(r.topic.removeprefix(prefix), r.value, dict(r.headers)) for r in records]
    return found
