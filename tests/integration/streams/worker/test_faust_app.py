"""The Faust app: a worker without agents, and one with the agent for live rates."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Message
from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from streams.topics.apply import apply
from tests.support.paths import ROOT
from tests.support.wait import eventually


@contextmanager
def worker(app: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`faust worker` for as long as the block lasts; killed if it has not ended by itself."""
    command = [sys.executable, "-m", "faust", "-A", app, "worker", "-l", "info"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def test_a_worker_starts_and_stops_cleanly_without_kafka(tmp_path: Path, free_port: int) -> None:
    """The worker is up while Kafka is not, opens no web port, and ends on SIGTERM with code 0."""
    log = tmp_path / "log"
    environment = {"RIG_BOOTSTRAP": f"127.0.0.1:{free_port}", "RIG_NAME": "none", "RIG_DATA": str(tmp_path)}
    with worker("tests.integration.streams.worker_app", log, **environment) as process:
        await eventually(lambda: b"Ready" in log.read_bytes(), 60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 40) == 0
    assert b"Web" not in log.read_bytes()


async def test_rates_count_outcomes_by_state_and_type(kafka: str, tmp_path: Path) -> None:
    """The agent counts the outcomes that are written while it runs; other records do not stop it."""
    connection, prefix = KafkaConnection(kafka), f"{uuid.uuid4().hex[:8]}."
    await apply(connection, prefix, partitions=2, events=[])
    producer = Producer(connection)
    await producer.start()
    topic = f"{prefix}dispatch.outcomes"
    event = event_key("s", "1")
    delivery = delivery_id(event, "r", "email")
    sent = Outcome(delivery, event, "overbid", "r", "email", State.sent, at_ms=1).to_bytes()
    shown = tmp_path / "rates.json"

    def rates() -> dict[str, int]:
        return dict(orjson.loads(shown.read_bytes())) if shown.exists() else {}

    environment = {"RIG_BOOTSTRAP": kafka, "RIG_PREFIX": prefix, "RIG_DATA": str(tmp_path)}
    with worker("tests.integration.streams.rates_app", tmp_path / "log", **environment) as process:
        for attempt in range(400):  # it reads from the end of the topic, so earlier records are not counted
            with suppress(Unavailable):
                await producer.publish([Message(topic, b"%d" % attempt, value) for value in (b"{", sent)])
            if rates().get("sent/overbid", 0) >= 5:
                break
            await asyncio.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 40) == 0
    await producer.stop()

    assert rates()["sent/overbid"] >= 5
