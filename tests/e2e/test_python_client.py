"""The client for upstream services in Python publishes to the real stack, and its documents run there."""

import asyncio
import os
import re
import runpy
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from tocsin_client import InvalidEvent, Publisher, event_id, withdraw
from tocsin_client.http import HttpPublisher
from tocsin_client.kafka import KafkaPublisher
from tocsin_client.types import Winner
from tocsin_client.validation import validate_fields

from service.model.ledger import State
from tests.support import client_events
from tests.support.doc_page import Page
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import eventually

SOURCE = "/python-client"
CLIENT = ROOT / "clients" / "python"
DOCUMENTS = (CLIENT / "README.md", ROOT / "docs" / "how-to" / "connect-an-upstream-python.md")
EXAMPLE = CLIENT / "examples" / "auction.py"
LOTS = range(1000, 1030)
REFUSED: Mapping[str, dict[str, Any]] = {
    **client_events.REFUSED,
    "not_a_number": {"type": "winner", "recipients": "alice", "data": {"lot_id": "7", "n": float("nan")}},
}


def winner(name: str) -> Winner:
    return Winner(id=name, source=SOURCE, recipients=["alice"], data={"lot_id": "7"})


async def check_every_way(pipeline: RealPipeline, ways: Mapping[str, Publisher]) -> None:
    """Each way delivers events once, single ones and several, whatever is published twice."""
    names = [f"{way}-{number}" for way in ways for number in range(3)]
    for way, publisher in ways.items():
        events = [winner(f"{way}-{number}") for number in range(3)]
        await publisher.publish(events[0])
        await publisher.publish(*events)
    for name in names:
        entries = await pipeline.wait_until_finished(SOURCE, name)
        assert {(e.recipient, e.channel, e.state) for e in entries} == {
            ("alice", "inbox", "delivered"),
            ("alice", "email", "sent"),
        }
    mails = pipeline.mail_counts()
    assert (len(mails), set(mails.values())) == (len(names), {1})


async def check_withdrawal(pipeline: RealPipeline, publisher: Publisher) -> None:
    """An event that was delivered is withdrawn from the inbox."""
    event = winner("withdrawn")
    await publisher.publish(event)
    await pipeline.wait_until_finished(SOURCE, event.id)

    await publisher.publish(withdraw(event))

    async def is_withdrawn() -> bool:
        entries = await pipeline.entries(SOURCE, event.id)
        return State.withdrawn in {entry.state for entry in entries if entry.channel == "inbox"}

    await eventually(is_withdrawn, 60)


async def check_reasons(pipeline: RealPipeline, ways: Mapping[str, Publisher]) -> None:
    """The client, the API and the dead letters of Kafka give the same reason. A CloudEvent is not validated here."""
    types = {"winner": Winner.declared}
    for reason, fields in REFUSED.items():
        attributes = {name: value for name, value in fields.items() if name != "data"} | {"source": SOURCE}
        for way, publisher in ways.items():
            cloud_event = CloudEvent({**attributes, "id": f"{reason}-{way}"}, fields["data"])
            with pytest.raises(InvalidEvent) as locally:
                validate_fields(fields | {"id": "1", "source": SOURCE}, types, 0)
            assert locally.value.reason == reason
            if isinstance(publisher, HttpPublisher):
                with pytest.raises(InvalidEvent) as refused:
                    await publisher.publish(cloud_event)
                assert refused.value.reason == reason
            else:
                await publisher.publish(cloud_event)
    expected = Counter(
        {reason: sum(isinstance(p, KafkaPublisher) for p in ways.values()) for reason in REFUSED}
    )

    async def reasons() -> Counter[str]:
        return Counter(headers["tocsin-reason"].decode() for _, headers in await pipeline.dead_letters())

    async def are_dead_letters() -> bool:
        return await reasons() == expected

    await eventually(are_dead_letters, 60)


async def check_outbox(pipeline: RealPipeline, api: str, key: str, database: Path) -> None:
    """A relay that is killed after the acknowledgement, before it has deleted: nothing is lost, nothing is twice."""
    environment = {**os.environ, "PYTHONPATH": str(CLIENT), "AUCTION_DB": str(database), "TOCSIN_KEY": key}
    for bid in (("7", "alice", "100"), ("7", "bob", "120")):
        await asyncio.to_thread(
            subprocess.run, [sys.executable, EXAMPLE, "bid", *bid], env=environment, check=True
        )
    fill(database)
    async with TcpProxy(int(api.rpartition(":")[2])) as proxy:
        proxy.stall(requests=False)
        relay = start_relay(environment | {"TOCSIN_URL": f"http://127.0.0.1:{proxy.port}"})
        await pipeline.wait_until_finished("/auctions", event_id("/auctions", "lot", LOTS[-1], "bid", 120))
        relay.kill()
        relay.wait()
        proxy.heal()
    assert waiting(database) == len(LOTS) + 1
    relay = start_relay(environment | {"TOCSIN_URL": api})
    try:
        await eventually(lambda: waiting(database) == 0, 60)
    finally:
        relay.kill()
        relay.wait()
    for lot in (7, *LOTS):
        entries = await pipeline.wait_until_finished(
            "/auctions", event_id("/auctions", "lot", lot, "bid", 120)
        )
        recipients = Counter(entry.recipient for entry in entries if entry.channel == "inbox")
        assert recipients == {"alice": 1, "carol": 1}  # carol has the role that the type notifies, too
    twice = {key: count for key, count in pipeline.mail_counts().items() if count > 1}
    assert not twice


def fill(database: Path) -> None:
    """Let bob overbid alice in many lots."""
    bid = runpy.run_path(str(EXAMPLE))["bid"]
    connection = sqlite3.connect(database)
    for lot in LOTS:
        bid(connection, lot, "alice", 100)
        bid(connection, lot, "bob", 120)
    connection.close()


def start_relay(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, EXAMPLE, "relay"], env=environment)


def waiting(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        (count,) = connection.execute("SELECT count(*) FROM tocsin_outbox").fetchone()
    finally:
        connection.close()
    return int(count)


async def check_documents(pipeline: RealPipeline, api: str) -> None:
    """Each program in the documents ends without an error; the how-to's event is the one that it explains."""
    kafka = pipeline.settings.kafka
    publisher = f'KafkaPublisher("{kafka.bootstrap}", topic="{kafka.events[0]}"'
    for document in DOCUMENTS:
        programs = Page.read(document).programs("python")
        assert programs
        for program in programs:
            text = program.replace("http://127.0.0.1:8000", api)
            text = text.replace('KafkaPublisher("127.0.0.1:9092"', publisher)
            await asyncio.to_thread(exec, compile(text, document.name, "exec"), {"__name__": "__main__"})
    (explained,) = re.findall(r"--event (\S+)", DOCUMENTS[1].read_text())
    assert await pipeline.wait_until_finished("/auctions", explained)


async def test_the_client_and_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over Kafka and HTTP, in both modes; refused events; withdrawals; an outbox; what the documents show."""
    async with served_pipeline() as (pipeline, api):
        key = bearer("auctions", "events")
        kafka = pipeline.settings.kafka
        bootstrap, topic = kafka.bootstrap, kafka.events[0]
        async with (
            KafkaPublisher(bootstrap, topic=topic) as kafka_structured,
            KafkaPublisher(bootstrap, topic=topic, mode="binary") as kafka_binary,
            HttpPublisher(api, key) as http_structured,
            HttpPublisher(api, key, mode="binary") as http_binary,
        ):
            ways: dict[str, Publisher] = {
                "kafka-structured": kafka_structured,
                "kafka-binary": kafka_binary,
                "http-structured": http_structured,
                "http-binary": http_binary,
            }
            await check_every_way(pipeline, ways)
            await check_withdrawal(pipeline, kafka_structured)
            await check_reasons(pipeline, ways)
        await check_outbox(pipeline, api, key, tmp_path / "auction.db")
        monkeypatch.setenv("TOCSIN_KEY", key)  # as the documents do
        await check_documents(pipeline, api)
