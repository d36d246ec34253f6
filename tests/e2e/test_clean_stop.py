"""A worker that is stopped: it waits for the reply of a slow relay, and for no broker that is away."""

import asyncio
from collections import Counter
from pathlib import Path

from service.dev.kafka import EmbeddedKafka
from service.dev.ports import free_port
from tests.support.readiness import wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session
from tests.support.wait import eventually

ANSWER_S = 27.0
"""Longer than a claim is safe without a heartbeat, and longer than a stage drains at a rebalance."""


async def test_a_clean_stop_waits_for_the_relay() -> None:
    """What is at the relay is sent once, by the worker that stops; the rest at once by the other one."""

    def slow(session: Session, verb: str, line: str) -> Answer:
        return (Do.delay, b"250 2.0.0 Ok\r\n") if verb == "END" else None

    async with RealPipeline() as pipeline, ScriptedServer(slow) as relay:
        relay.delay_s = ANSWER_S
        port = {"TOCSIN_SMTP__PORT": str(relay.port), "TOCSIN_SMTP__MAX_CONNECTIONS": "1"}
        first = pipeline.start_worker(**port)
        events = [
            {"id": f"{n}", "source": "/t", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}}
            for n in range(4)
        ]
        await pipeline.publish(*events)
        await eventually(lambda: len(relay.arrived) == 1, 90)
        first.terminate()
        relay.delay_s = 0.0
        pipeline.start_worker(**port)

        assert await asyncio.to_thread(first.wait, 60) == 0
        for event in events:
            await pipeline.wait_until_finished("/t", str(event["id"]))

        copies = Counter(message.content for message in relay.arrived)
        assert len(copies) == 4
        assert set(copies.values()) == {1}
        entries = [entry for event in events for entry in await pipeline.entries("/t", str(event["id"]))]
        steps = {step.state.value for entry in entries if entry.channel == "email" for step in entry.steps}
        assert "ambiguous" not in steps


async def test_a_worker_stops_while_no_broker_answers(tmp_path: Path) -> None:
    """The live rates too: Faust's thread ends with its consumer, and is not waited for."""
    kafka = EmbeddedKafka(tmp_path)
    await asyncio.to_thread(kafka.start)
    try:
        async with RealPipeline(kafka=kafka) as pipeline:
            port = free_port()
            worker = pipeline.start_worker("resolve,rates", TOCSIN_WORKER__METRICS_PORT=str(port))
            await wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            await asyncio.to_thread(kafka.stop)
            worker.terminate()
            assert await asyncio.to_thread(worker.wait, 40) == 0
            await pipeline.producer.stop()
    finally:
        await asyncio.to_thread(kafka.stop)
