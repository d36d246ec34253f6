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
from streams.topics.apply import apply
from tests.support.api_fixture import ApiFixture, basic, real_api

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
async def apis(kafka: str, valkey_url: str) -> AsyncIterator[tuple[ApiFixture, ApiFixture]]:
    """Yield two instances of the API on one Kafka and one Valkey."""
    connection, prefix = KafkaConnection(kafka), f"t{uuid4().hex[:8]}."
    await apply(connection, prefix, partitions=1, events=[f"{prefix}events"])
    async with AsyncExitStack() as stack:
        instances = []
        for _ in range(2):
            producer = Producer(connection)
            await producer.start()
            stack.push_async_callback(producer.stop)
            api = real_api(
                valkey_url,
                producer,
                kafka=KafkaSettings(bootstrap=kafka, prefix=prefix),
                events_topic=f"{prefix}events",
            )
            instances.append(await stack.enter_async_context(api))
        yield instances[0], instances[1]


async def records(api: ApiFixture, table: str, count: int) -> list[Any]:
    """Return the first `count` records of a topic."""
    settings = api.deps.settings.kafka
    consumer = AIOKafkaConsumer(
        f"{settings.prefix}{table}", bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_events_are_in_kafka(apis: tuple[ApiFixture, ApiFixture]) -> None:
    """After the 202, Kafka has the event, with its content type."""
    api, _ = apis
    content = orjson.dumps(
        {"id": "1", "source": "/s", "type": "overbid", "recipients": ["a"], "data": {"lot_id": "1"}}
    )
    headers = {**api.bearer("shop", "events"), "Content-Type": "application/cloudevents+json"}

    answer = await api.client.post("/v1/events", content=content, headers=headers)

    assert answer.status_code == 202
    (record,) = await records(api, "events", 1)
    assert (record.value, record.key) == (content, answer.json()["accepted"][0]["key"].encode())
    assert record.headers == (("content-type", b"application/cloudevents+json"),)


async def test_every_table_has_its_record(apis: tuple[ApiFixture, ApiFixture]) -> None:
    """Every table write is in the table's topic; a deletion is a tombstone with its version."""
    api, _ = apis
    headers = api.bearer("ops", "tables")
    await api.client.patch(
        "/api/v1/notification/configure/", json={"external_id": "g", "fon_offer": []}, headers=headers
    )
    await api.client.put("/v1/recipients/alice", json={"name": "Alice"}, headers=headers)
    await api.client.delete("/v1/recipients/alice", headers=headers)
    made = await api.client.post(CONTACTS, json={"objects": [{"email": "a@example.com"}]}, auth=basic())
    await set_password(api.deps.writer, "acme", "another")
    key, _ = await create_key(api.deps.writer, api.clock, "shop", ["events"])

    (group,) = await records(api, "tables.groups", 1)
    written, deleted = await records(api, "tables.recipients", 2)
    (contact,) = await records(api, "tables.contacts", 1)
    (account,) = await records(api, "tables.accounts", 1)
    (api_key,) = await records(api, "tables.api-keys", 1)
    assert (group.key, orjson.loads(group.value)["addresses"]) == (b"g|", {"fon_offer": []})
    assert orjson.loads(written.value)["name"] == "Alice"
    assert (deleted.key, deleted.value, deleted.headers[0][0]) == (b"alice", None, "version")
    assert int(deleted.headers[0][1]) > orjson.loads(written.value)["version"]
    assert contact.key == f"acme|{made.json()['objects'][0]['uuid']}".encode()
    assert (account.key, b"another" in account.value) == (b"acme", False)
    assert api_key.key == key.id.encode()


async def test_concurrent_changes(apis: tuple[ApiFixture, ApiFixture]) -> None:
    """Concurrent changes to one group by two instances are all kept; the topic's newest row is the one in Redis."""
    lists = {name: [f"{name}@example.com"] for name in TYPES}

    async def patch(n: int, name: str) -> int:
        api = apis[n % 2]
        answer = await api.client.patch(
            "/api/v1/notification/configure/",
            params={"external_id": "g"},
            json={name: lists[name]},
            headers=api.bearer("ops", "tables"),
        )
        return answer.status_code

    statuses = await asyncio.gather(*(patch(n, name) for n, name in enumerate(TYPES)))

    assert statuses == [200] * len(TYPES)
    api = apis[0]
    got = await api.client.get("/api/v1/notification/?external_id=g", headers=api.bearer("ops", "tables"))
    assert got.json() == lists
    rows = [orjson.loads(record.value) for record in await records(api, "tables.groups", len(TYPES))]
    versions = [row["version"] for row in rows]
    assert versions == sorted(set(versions))
    assert rows[-1]["addresses"] == {name: lists[name] for name in rows[-1]["addresses"]}
    assert len(rows[-1]["addresses"]) == len(TYPES)
