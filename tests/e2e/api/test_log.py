"""Table writes and events on a real Kafka and a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from service.pipeline.tables.credentials import create_key, set_password
from service.settings import KafkaSettings
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from streams.topics.table import apply
from tests.support.api_fixture import World, basic, real_world

TYPES = (
    "order_confirm",
    "change_status",
    "chat_ongoing",
    "service_activated",
    "order_terminate",
    "order_update",
    "study_request",
    "study_answered",
    "fon_offer",
    "fon_answered",
    "invoice_available",
)
CONTACTS = "/api/2.0/notification_contacts/"


@pytest.fixture
async def worlds(kafka: str, valkey_url: str) -> AsyncIterator[tuple[World, World]]:
    """Yield two instances of the API on one Kafka and one Valkey."""
    connection, prefix = KafkaConnection(kafka), f"t{uuid4().hex[:8]}."
    await apply(connection, prefix, partitions=1, events=[f"{prefix}events"])
    async with AsyncExitStack() as stack:
        instances = []
        for _ in range(2):
            producer = Producer(connection)
            await producer.start()
            stack.push_async_callback(producer.stop)
            world = real_world(
                valkey_url,
                producer,
                kafka=KafkaSettings(bootstrap=kafka, prefix=prefix),
                events_topic=f"{prefix}events",
            )
            instances.append(await stack.enter_async_context(world))
        yield instances[0], instances[1]


async def records(world: World, table: str, count: int) -> list[Any]:
    """Return the first `count` records of a topic."""
    settings = world.deps.settings.kafka
    consumer = AIOKafkaConsumer(
        f"{settings.prefix}{table}", bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_events_are_in_kafka(worlds: tuple[World, World]) -> None:
    """After the 202, Kafka has the event, with its content type."""
    world, _ = worlds
    content = orjson.dumps(
        {"id": "1", "source": "/s", "type": "overbid", "recipients": ["a"], "data": {"lot_id": "1"}}
    )
    headers = {**world.bearer("shop", "events"), "Content-Type": "application/cloudevents+json"}

    answer = await world.client.post("/v1/events", content=content, headers=headers)

    assert answer.status_code == 202
    (record,) = await records(world, "events", 1)
    assert (record.value, record.key) == (content, answer.json()["accepted"][0]["key"].encode())
    assert record.headers == (("content-type", b"application/cloudevents+json"),)


async def test_every_table_has_its_record(worlds: tuple[World, World]) -> None:
    """Every table write is in the table's topic; a deletion is a tombstone with its version."""
    world, _ = worlds
    headers = world.bearer("ops", "tables")
    await world.client.patch(
        "/api/v1/notification/configure/", json={"external_id": "g", "fon_offer": []}, headers=headers
    )
    await world.client.put("/v1/recipients/alice", json={"name": "Alice"}, headers=headers)
    await world.client.delete("/v1/recipients/alice", headers=headers)
    made = await world.client.post(CONTACTS, json={"objects": [{"email": "a@example.com"}]}, auth=basic())
    await set_password(world.deps.writer, "acme", "another")
    key, _ = await create_key(world.deps.writer, world.clock, "shop", ["events"])

    (group,) = await records(world, "tables.groups", 1)
    written, deleted = await records(world, "tables.recipients", 2)
    (contact,) = await records(world, "tables.contacts", 1)
    (account,) = await records(world, "tables.accounts", 1)
    (api_key,) = await records(world, "tables.api-keys", 1)
    assert (group.key, orjson.loads(group.value)["addresses"]) == (b"g|", {"fon_offer": []})
    assert orjson.loads(written.value)["name"] == "Alice"
    assert (deleted.key, deleted.value, deleted.headers[0][0]) == (b"alice", None, "version")
    assert int(deleted.headers[0][1]) > orjson.loads(written.value)["version"]
    assert contact.key == f"acme|{made.json()['objects'][0]['uuid']}".encode()
    assert (account.key, b"another" in account.value) == (b"acme", False)
    assert api_key.key == key.id.encode()


async def test_concurrent_changes(worlds: tuple[World, World]) -> None:
    """Concurrent changes to one group by two instances are all kept; the topic's newest row is the one in Redis."""
    lists = {name: [f"{name}@example.com"] for name in TYPES}

    async def patch(n: int, name: str) -> int:
        world = worlds[n % 2]
        answer = await world.client.patch(
            "/api/v1/notification/configure/",
            params={"external_id": "g"},
            json={name: lists[name]},
            headers=world.bearer("ops", "tables"),
        )
        return answer.status_code

    statuses = await asyncio.gather(*(patch(n, name) for n, name in enumerate(TYPES)))

    assert statuses == [200] * len(TYPES)
    world = worlds[0]
    got = await world.client.get("/api/v1/notification/?external_id=g", headers=world.bearer("ops", "tables"))
    assert got.json() == lists
    rows = [orjson.loads(record.value) for record in await records(world, "tables.groups", len(TYPES))]
    versions = [row["version"] for row in rows]
    assert versions == sorted(set(versions))
    assert rows[-1]["addresses"] == {name: lists[name] for name in rows[-1]["addresses"]}
    assert len(rows[-1]["addresses"]) == len(TYPES)
