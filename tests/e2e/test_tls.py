"""Every connection encrypted and authenticated: an event is delivered; a wrong authority or password is reported."""

import base64
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.dev import samples
from service.dev.ports import free_port
from tests.support.real_pipeline import RealPipeline
from tests.support.smtp_server import Answer, Script, Session
from tests.support.tls_stack import TlsStack, tls_pipeline, tls_stack
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStack]:
    with tls_stack(tmp_path_factory.mktemp("tls")) as stack:
        yield stack


async def test_an_event_is_delivered_with_everything_encrypted(servers: TlsStack) -> None:
    """SASL_SSL with SCRAM to Kafka, rediss with an ACL user, STARTTLS and AUTH to the relay: mail arrives."""
    async with tls_pipeline(servers) as (pipeline, relay):
        pipeline.start_worker()
        event = samples.event(
            pipeline.parts.catalogue, "message_from_seller", "secured", "2026-01-01T00:00:00Z"
        )
        await pipeline.publish(event)

        entries = await pipeline.wait_until_finished(event["source"], event["id"])

        assert {entry.state.value for entry in entries} <= {"sent", "delivered"}
        assert relay.arrived
        assert all(session.tls for session in relay.sessions if session.arrived)
        assert any(line.startswith("AUTH PLAIN") for session in relay.sessions for line in session.lines)


WRONG = {
    "kafka-authority": (
        "TOCSIN_KAFKA__CA_FILE",
        "other authority",
        "Kafka at {kafka}: its certificate is not trusted",
    ),
    "kafka-password": ("TOCSIN_KAFKA__PASSWORD", "wrong", "Kafka at {kafka} refuses our credentials"),
    "redis-authority": ("TOCSIN_REDIS__CA_FILE", "other authority", "redis: its certificate is not trusted"),
    "redis-password": ("TOCSIN_REDIS__URL", "wrong", "redis: it refuses our credentials"),
    "relay-authority": ("TOCSIN_SMTP__CA_FILE", "other authority", "certificate verify failed"),
    "relay-password": ("TOCSIN_SMTP__PASSWORD", "wrong", "535"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_worker_that_is_refused_reports_it_and_waits(
    case: str, servers: TlsStack, tmp_path: Path
) -> None:
    """The worker keeps running, is not ready for one reason that names the dependency, and logs no secret."""
    async with tls_pipeline(servers) as (pipeline, relay):
        relay.script = _require_password(servers.password)
        name, value, reason = WRONG[case]
        log = tmp_path / "worker.log"
        port = free_port()
        worker = _start_worker(pipeline, port, log, {name: _wrong_value(servers, pipeline, name, value)})
        reasons: dict[str, str] = {}

        async def refused() -> bool:
            nonlocal reasons
            reasons = _read_reasons(port)
            return any(reason.format(kafka=servers.kafka.bootstrap) in text for text in reasons.values())

        await eventually(refused, 90, lambda: f"{reasons} {log.read_text()[-2000:]}")

        assert worker.poll() is None
        text = log.read_text() + json.dumps(reasons)
        assert servers.password not in text
        assert "not-the-password" not in text
        assert all(json.loads(line)["event"] for line in log.read_text().splitlines())


def _require_password(password: str) -> Script:
    """Return the script of a relay that accepts one password (RFC 4616)."""
    expected = base64.b64encode(f"\0tocsin\0{password}".encode()).decode()

    def script(session: Session, verb: str, line: str) -> Answer:
        refused = verb == "AUTH" and expected not in line
        return b"535 5.7.8 no such user or password\r\n" if refused else None

    return script


def _wrong_value(servers: TlsStack, pipeline: RealPipeline, name: str, value: str) -> str:
    if value == "other authority":
        return str(servers.other_ca_file)
    if name.endswith("URL"):
        return pipeline.variables[name].replace(servers.password, "not-the-password")
    return "not-the-password"


def _start_worker(
    pipeline: RealPipeline, port: int, log: Path, wrong: dict[str, str]
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return pipeline.start_worker(
            output=out, TOCSIN_WORKER__METRICS_PORT=str(port), TOCSIN_LOG_LEVEL="INFO", **wrong
        )


def _read_reasons(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as refused:
        body = json.load(refused)
    except OSError:
        return {}
    return dict(body["reasons"])
