"""Publish events to Tocsin with the CloudEvents SDK for Python, both of its generations.

BOOTSTRAP, TOPIC, URL and TOKEN say where; the id of each event is "python-" or "python-v1-" and its form.
"""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1 import http as http_v1
from cloudevents.v1 import kafka as kafka_v1

_JSON = JSONFormat()
_DATA = {"lot_id": "7"}


def _attributes(event_id: str) -> dict[str, Any]:
    return {
        "id": event_id,
        "source": "/interop",
        "type": "com.example.winner",
        "subject": 'Lot 7, "größte" 100 %',
        "datacontenttype": "application/json",
        "recipients": "alice,bob",
    }


def _event(form: str) -> CloudEvent:
    attributes = _attributes(f"python-{form}") | {"specversion": "1.0", "time": datetime.now(UTC)}
    return CloudEvent(attributes, _DATA)


def _event_v1(form: str) -> http_v1.CloudEvent:
    return http_v1.CloudEvent(_attributes(f"python-v1-{form}"), _DATA)


def _messages() -> Iterator[Any]:
    yield kafka.to_structured(_event("kafka-structured"), _JSON)
    yield kafka.to_binary(_event("kafka-binary"), _JSON)
    yield kafka_v1.to_structured(_event_v1("kafka-structured"))
    yield kafka_v1.to_binary(_event_v1("kafka-binary"))


def _requests() -> Iterator[tuple[Any, Any]]:
    for message in (
        http.to_structured(_event("http-structured"), _JSON),
        http.to_binary(_event("http-binary"), _JSON),
    ):
        yield message.headers, message.body
    yield conversion.to_structured(_event_v1("http-structured"))
    yield conversion.to_binary(_event_v1("http-binary"))


async def main() -> None:
    """Publish all of them; raise where one is not accepted."""
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["BOOTSTRAP"])
    await producer.start()
    try:
        for message in _messages():
            headers = [
                (name, text.encode() if isinstance(text, str) else text)
                for name, text in message.headers.items()
            ]
            value = message.value.encode() if isinstance(message.value, str) else message.value
            await producer.send_and_wait(os.environ["TOPIC"], value, headers=headers)
    finally:
        await producer.stop()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {os.environ['TOKEN']}"}) as client:
        for headers, body in _requests():
            octets = {
                name: text.encode() for name, text in headers.items()
            }  # the older API encodes no header value
            response = await client.post(os.environ["URL"], headers=octets, content=body)
            assert response.status_code == 202, response.text


if __name__ == "__main__":
    asyncio.run(main())
