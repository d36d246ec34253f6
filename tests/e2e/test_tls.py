"""Everything encrypted and authenticated: an event goes through; who has the wrong authority or password is told so."""

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
from tests.support.real_pipeline import RealPipeline, eventually
from tests.support.smtp_server import Answer, Script, Session
from tests.support.tls_stack import Fortress, fortress, secured_line


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with fortress(tmp_path_factory.mktemp("fortress")) as made:
        yield made


async def test_an_event_goes_through_with_everything_encrypted(servers: Fortress) -> None:
    """SASL_SSL with SCRAM to Kafka, rediss with an ACL user, STARTTLS and AUTH to the relay: mail arrives."""
    async with secured_line(servers) as (line, relay):
        line.start_worker()
        event = samples.event(line.parts.catalogue, "message_from_seller", "secured", "2026-01-01T00:00:00Z")
        await line.publish(event)

        entries = await line.finished(event["source"], event["id"])

        assert {entry.state.value for entry in entries} <= {"sent", "delivered"}
        assert relay.arrived
        assert all(session.tls for session in relay.sessions if session.arrived)
        assert any(line.startswith("AUTH PLAIN") for session in relay.sessions for line in session.lines)


WRONG = {
    "kafka-authority": ("TOCSIN_KAFKA__CA_FILE", "stranger", "Kafka: its certificate is not trusted"),
    "kafka-password": ("TOCSIN_KAFKA__PASSWORD", "wrong", "Kafka: it refuses our credentials"),
    "redis-authority": ("TOCSIN_REDIS__CA_FILE", "stranger", "redis: its certificate is not trusted"),
    "redis-password": ("TOCSIN_REDIS__URL", "wrong", "redis: it refuses our credentials"),
    "relay-authority": ("TOCSIN_SMTP__CA_FILE", "stranger", "certificate verify failed"),
    "relay-password": ("TOCSIN_SMTP__PASSWORD", "wrong", "535"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_who_is_not_let_in_says_so_and_waits(case: str, servers: Fortress, tmp_path: Path) -> None:
    """The worker lives, is not ready for one reason that names the dependency, and logs no secret."""
    async with secured_line(servers) as (line, relay):
        relay.script = _picky(servers.password)
        name, value, reason = WRONG[case]
        log = tmp_path / "worker.log"
        port = free_port()
        worker = _start(line, port, log, {name: _made(servers, line, name, value)})
        seen: dict[str, str] = {}

        async def refused() -> bool:
            nonlocal seen
            seen = _reasons(port)
            return any(reason in why for why in seen.values())

        await eventually(refused, 90, lambda: f"{seen} {log.read_text()[-2000:]}")

        assert worker.poll() is None
        text = log.read_text() + json.dumps(seen)
        assert servers.password not in text
        assert "not-the-password" not in text
        assert all(json.loads(row)["event"] for row in log.read_text().splitlines())


def _picky(password: str) -> Script:
    """A relay that knows one password (RFC 4616)."""
    known = base64.b64encode(f"\0tocsin\0{password}".encode()).decode()

    def script(session: Session, verb: str, line: str) -> Answer:
        refused = verb == "AUTH" and known not in line
        return b"535 5.7.8 no such user or password\r\n" if refused else None

    return script


def _made(servers: Fortress, line: RealPipeline, name: str, value: str) -> str:
    if value == "stranger":
        return str(servers.stranger)
    if name.endswith("URL"):
        return line.variables[name].replace(servers.password, "not-the-password")
    return "not-the-password"


def _start(line: RealPipeline, port: int, log: Path, wrong: dict[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return line.start_worker(
            output=out, TOCSIN_WORKER__METRICS_PORT=str(port), TOCSIN_LOG_LEVEL="INFO", **wrong
        )


def _reasons(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as refused:
        body = json.load(refused)
    except OSError:
        return {}
    return dict(body["reasons"])
