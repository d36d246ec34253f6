"""Upstream systems feed the tables by Kafka alone, with any client; and a new installation starts by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from service.dev.ports import free_port
from service.model.ids import address_key
from service.model.recipient import Recipient
from service.ports import LookupKeys
from tests.support.readiness import ready, reasons
from tests.support.real_pipeline import RealPipeline, eventually

ALL = "resolve,inbox,email,schedule,tables"
SOURCE = "/e2e"

Fed = tuple[str, str, Any, int | None]
"""Table, key, value (None: a tombstone), version header or None."""


@asynccontextmanager
async def upstream(line: RealPipeline) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is not ours: its own partitioner, no idempotence, no headers."""
    producer = AIOKafkaProducer(bootstrap_servers=line.settings.kafka.bootstrap)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def feed(line: RealPipeline, producer: AIOKafkaProducer, *fed: Fed) -> None:
    """Write records to tables' topics, one after the other."""
    for table, key, value, version in fed:
        headers = [] if version is None else [("version", str(version).encode())]
        content = None if value is None else json.dumps(value, indent=1).encode()
        await producer.send_and_wait(
            line.parts.topics.table(table), content, key=key.encode(), headers=headers
        )


async def row(line: RealPipeline, name: str) -> Recipient | None:
    return (await line.parts.tables.lookup(LookupKeys(recipients={name}))).recipients.get(name)


async def stands(line: RealPipeline, who: str, **fields: Any) -> None:
    """Wait until a recipient's row has these fields."""
    found: Recipient | None = None

    async def right() -> bool:
        nonlocal found
        found = await row(line, who)
        return found is not None and all(getattr(found, field) == value for field, value in fields.items())

    await eventually(right, 60, lambda: str(found))


async def last_values(line: RealPipeline, table: str, key: str) -> Sequence[bytes]:
    """The values of a table's topic, tombstones empty."""
    return [value for value, _ in await line.read(line.parts.topics.table(table)) if key.encode() in value]


@pytest.mark.timeout(300)
async def test_a_fed_recipient_is_reached() -> None:
    """Rows, preferences and suppressions by a foreign producer; an old record after a newer write is ignored."""
    async with RealPipeline() as line, upstream(line) as producer:
        line.start_worker(ALL)
        dave = {"id": "dave", "address": "dave@example.com", "name": "Dave"}
        await feed(
            line,
            producer,
            ("preferences", "dave|winner|email", {"on": False}, None),
            ("recipients", "dave", dave, None),
            ("recipients", "erin", {"id": "erin", "address": "erin@example.com"}, None),
            ("recipients", "frank", {"id": "frank", "address": "not an address"}, None),
            (
                "groups",
                "77|",
                {"external_id": "77", "addresses": {"invoice_available": ["fed@example.com"]}},
                None,
            ),
            ("suppressions", address_key("erin@example.com"), {"reason": "complaint_received"}, None),
        )
        await stands(line, "dave", address="dave@example.com", name="Dave")
        await stands(line, "erin", address="erin@example.com")

        async def preference() -> bool:
            found = await row(line, "dave")
            return found is not None and "winner:email" in found.preferences

        async def suppressed() -> bool:
            return await line.parts.tables.suppression("erin@example.com") is not None

        await eventually(preference, 60)
        await eventually(suppressed, 60)

        winner = {
            "id": "w",
            "source": SOURCE,
            "type": "winner",
            "recipients": ["dave"],
            "data": {"lot_id": "1"},
        }
        invoice = {"id": "i", "source": SOURCE, "type": "invoice_available", "external_id": "77"}
        people = ["dave", "erin", "frank"]
        overbid = {
            "id": "o",
            "source": SOURCE,
            "type": "overbid",
            "recipients": people,
            "data": {"lot_id": "1"},
        }
        await line.publish(overbid, winner, invoice)
        told = {
            (e.recipient, e.channel, event): (e.state.value, e.steps[0].reason.value)
            for event in "owi"
            for e in await line.finished(SOURCE, event)
        }
        assert told["dave", "email", "o"] == ("sent", "")
        assert told["dave", "email", "w"] == ("skipped", "preference_off")
        assert told["dave", "inbox", "w"] == ("delivered", "")
        assert told["erin", "email", "o"] == ("suppressed", "suppressed_address")
        assert told["frank", "email", "o"] == ("skipped", "no_such_recipient")
        assert ("fed@example.com",) in [m.recipients for m in line.catcher.mails.newest_first()]
        letters: list[tuple[bytes, bytes, bytes]] = []

        async def buried() -> bool:
            letters[:] = [
                (h["tocsin-stage"], h["tocsin-reason"], h["tocsin-detail"])
                for _, h in await line.dead_letters()
            ]
            return bool(letters)

        await eventually(buried, 60)
        assert len(letters) == 1
        assert letters[0][:2] == (b"tables", b"invalid_data")
        assert b"address" in letters[0][2]

        writer = line.parts.table_writer(line.publisher)
        new = await writer.recipient("dave", lambda r: r.model_copy(update={"address": "new@example.com"}))  # type: ignore[union-attr]
        await feed(
            line,
            producer,
            ("recipients", "dave", dave | {"version": new.version - 1}, None),
            ("recipients", "dave", None, new.version - 1),
            ("suppressions", address_key("erin@example.com"), None, None),
            ("recipients", "marker", {"id": "marker"}, None),
        )
        await eventually(lambda: _not(suppressed), 60)
        await stands(line, "marker")
        await stands(line, "dave", address="new@example.com", version=new.version)

        async def restated() -> bool:
            values = await last_values(line, "recipients", "new@example.com")
            return len(values) >= 2  # the writer's own, and what stands in answer to the old ones

        await eventually(restated, 60)


async def _not(condition: Any) -> bool:
    return not await condition()


@pytest.mark.timeout(300)
async def test_only_a_new_installation_opens_by_itself() -> None:
    """Nothing in Redis and nothing in any topic: it runs. The same Redis beside a topic with a record: it does not."""
    async with RealPipeline() as line:
        mark = line.parts.store.keys.complete
        await line.parts.store.pipeline([("DEL", mark)])
        port = free_port()
        probe = f"http://127.0.0.1:{port}/readyz"
        line.start_worker(ALL, TOCSIN_WORKER__METRICS_PORT=str(port))
        await ready(probe)
        assert await line.parts.tables.incomplete() is None

        async with upstream(line) as producer:
            await feed(line, producer, ("recipients", "dave", {"id": "dave"}, None))
        await stands(line, "dave")
        await line.parts.store.pipeline([("DEL", mark)])

        async def paused() -> bool:
            return "tocsin rebuild" in (await reasons(probe)).get("resolve", "")

        await eventually(paused, 60)
        await asyncio.gather(*(line.parts.tables.incomplete() for _ in range(3)))
        worker = line.workers[0]
        worker.terminate()
        await asyncio.to_thread(worker.wait, 60)
        line.start_worker(ALL, TOCSIN_WORKER__METRICS_PORT=str(port))
        await eventually(paused, 60)
        assert await line.parts.tables.unmarked()
