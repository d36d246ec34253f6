"""Upstream systems write the tables by Kafka alone, with any client; and a new installation starts by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from service.dev.ports import free_port
from service.model.ids import address_key
from service.model.keys import GroupKey
from service.model.recipient import Recipient
from service.ports import ABSENT, LookupKeys
from tests.support.readiness import not_ready_reasons, wait_until_ready
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

ALL_STAGES = "resolve,inbox,email,schedule,tables"
SOURCE = "/e2e"

TableRecord = tuple[str, str, Any, int | None]
"""Table, key, value (None: a tombstone), version header or None."""


@asynccontextmanager
async def upstream(pipeline: RealPipeline) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a foreign producer: its own partitioner, no idempotence, no headers."""
    producer = AIOKafkaProducer(bootstrap_servers=pipeline.settings.kafka.bootstrap)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def feed(pipeline: RealPipeline, producer: AIOKafkaProducer, *records: TableRecord) -> None:
    """Write records to tables' topics, one after the other."""
    for table, key, value, version in records:
        headers = [] if version is None else [("version", str(version).encode())]
        content = None if value is None else json.dumps(value, indent=1).encode()
        await producer.send_and_wait(
            pipeline.parts.topics.table(table), content, key=key.encode(), headers=headers
        )


async def read_row(pipeline: RealPipeline, recipient_id: str) -> Recipient | None:
    return (await pipeline.parts.tables.lookup(LookupKeys(recipients={recipient_id}))).recipients.get(
        recipient_id
    )


async def wait_for_row(pipeline: RealPipeline, recipient_id: str, **fields: Any) -> None:
    """Wait until a recipient's row has these fields."""
    row: Recipient | None = None

    async def has_fields() -> bool:
        nonlocal row
        row = await read_row(pipeline, recipient_id)
        return row is not None and all(getattr(row, field) == value for field, value in fields.items())

    await eventually(has_fields, 60, lambda: str(row))


async def values_holding(pipeline: RealPipeline, table: str, text: str) -> Sequence[bytes]:
    """Return the values of a table's topic that contain a text."""
    records = await pipeline.read(pipeline.parts.topics.table(table))
    return [value for value, _ in records if text.encode() in value]


@pytest.mark.timeout(300)
async def test_recipients_written_by_kafka_are_notified() -> None:
    """Rows, preferences and suppressions by a foreign producer; an old record after a newer write is ignored."""
    async with RealPipeline() as pipeline, upstream(pipeline) as producer:
        pipeline.start_worker(ALL_STAGES)
        dave = {"id": "dave", "address": "dave@example.com", "name": "Dave"}
        await feed(
            pipeline,
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
        await wait_for_row(pipeline, "dave", address="dave@example.com", name="Dave")
        await wait_for_row(pipeline, "erin", address="erin@example.com")

        async def preference() -> bool:
            row = await read_row(pipeline, "dave")
            return row is not None and "winner:email" in row.preferences

        async def group() -> bool:
            key = GroupKey("77", "")
            return key in (await pipeline.parts.tables.lookup(LookupKeys(groups={key}))).groups

        async def suppressed() -> bool:
            return await pipeline.parts.tables.suppression("erin@example.com") is not None

        await eventually(preference, 60)
        await eventually(group, 60)
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
        await pipeline.publish(overbid, winner, invoice)
        states = {
            (e.recipient, e.channel, event): (e.state.value, e.newest_step.reason.value)
            for event in "owi"
            for e in await pipeline.wait_until_finished(SOURCE, event)
        }
        assert states["dave", "email", "o"] == ("sent", "")
        assert states["dave", "email", "w"] == ("skipped", "preference_off")
        assert states["dave", "inbox", "w"] == ("delivered", "")
        assert states["erin", "email", "o"] == ("suppressed", "suppressed_address")
        assert states["frank", "email", "o"] == ("skipped", "no_such_recipient")
        assert ("fed@example.com",) in [m.recipients for m in pipeline.catcher.mails.newest_first()]
        dead_letters: list[tuple[bytes, bytes, bytes]] = []

        async def dead_lettered() -> bool:
            dead_letters[:] = [
                (h["tocsin-stage"], h["tocsin-reason"], h["tocsin-detail"])
                for _, h in await pipeline.dead_letters()
            ]
            return bool(dead_letters)

        await eventually(dead_lettered, 60)
        assert len(dead_letters) == 1
        assert dead_letters[0][:2] == (b"tables", b"invalid_data")
        assert b"address" in dead_letters[0][2]

        writer = pipeline.parts.table_writer(pipeline.producer)
        new = await writer.recipient("dave", lambda r: r.model_copy(update={"address": "new@example.com"}))  # type: ignore[union-attr]
        await feed(
            pipeline,
            producer,
            ("recipients", "dave", dave | {"version": new.version - 1}, None),
            ("recipients", "dave", None, new.version - 1),
            ("suppressions", address_key("erin@example.com"), None, None),
            ("recipients", "marker", {"id": "marker"}, None),
        )
        await eventually(lambda: _not(suppressed), 60)
        await wait_for_row(pipeline, "marker")
        await wait_for_row(pipeline, "dave", address="new@example.com", version=new.version)

        async def re_emitted() -> bool:
            values = await values_holding(pipeline, "recipients", "new@example.com")
            return (
                len(values) >= 2
            )  # the writer's record, and the current row again in answer to the old records

        await eventually(re_emitted, 60)


async def _not(condition: Any) -> bool:
    return not await condition()


@pytest.mark.timeout(300)
async def test_only_a_new_installation_starts_by_itself() -> None:
    """With nothing in Redis and nothing dispatched it runs; after a delivery, an empty Redis pauses it."""
    async with RealPipeline() as pipeline:
        mark = pipeline.parts.store.keys.complete
        await pipeline.parts.store.pipeline([("DEL", mark)])
        port = free_port()
        probe = f"http://127.0.0.1:{port}/readyz"
        pipeline.start_worker(ALL_STAGES, TOCSIN_WORKER__METRICS_PORT=str(port))
        await wait_until_ready(probe)
        assert await pipeline.parts.tables.incomplete() is None

        async with upstream(pipeline) as producer:
            await feed(pipeline, producer, ("recipients", "dave", {"id": "dave"}, None))
        await wait_for_row(pipeline, "dave")
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "winner",
            "recipients": ["dave"],
            "data": {"lot_id": "1"},
        }
        await pipeline.publish(event)
        await pipeline.wait_until_finished("/e2e", "1")
        await pipeline.parts.store.pipeline([("DEL", mark)])

        async def paused() -> bool:
            return "tocsin rebuild" in (await not_ready_reasons(probe)).get("resolve", "")

        await eventually(paused, 60)
        await asyncio.gather(*(pipeline.parts.tables.incomplete() for _ in range(3)))
        worker = pipeline.workers[0]
        worker.terminate()
        await asyncio.to_thread(worker.wait, 60)
        pipeline.start_worker(ALL_STAGES, TOCSIN_WORKER__METRICS_PORT=str(port))
        await eventually(paused, 60)
        assert await pipeline.parts.tables.incomplete() == ABSENT
