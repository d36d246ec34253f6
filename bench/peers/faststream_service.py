"""The modes `batch` and `each`: the least service that fills inboxes and sends mail, with FastStream and aiosmtplib.

Its batch subscribers acknowledge after the work (`NACK_ON_ERROR` reads a failed batch again). It uses Redis pipelines,
sends the messages of a batch at once over a pool of connections, and runs on uvloop. It writes no ledger and no
outcomes, checks nothing before sending, has no topic between event and inbox, and formats numbers and dates in the
cheapest way: where it does less than Tocsin, that is in its favour (`bench.peers.modes`).

`each` is the same service with FastStream's default of one record per call, as in its tutorials.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaPublishMessage
from pydantic import BaseModel
from redis.asyncio import Redis

from bench.peers.mail import SmtpPool, inbox_line, message_bytes
from bench.peers.modes import MODES

FINISHED = "peer:finished:{}"
SENT = "peer:sent:"
_TTL_S = 604_800
_EVENTS_PER_BATCH = 500
_MAILS_PER_BATCH = 100  # each blocks the loop for a millisecond; more would exceed the session timeout


class Event(BaseModel):
    """An event as upstream services publish it."""

    id: str
    source: str
    type: str
    time: str
    data: dict[str, Any]
    account: str | None = None
    external_id: str | None = None
    project_id: str = ""


class Email(BaseModel):
    """One message to send: a record of the second topic."""

    id: str
    type: str
    address: str
    data: dict[str, Any]


class Service:
    """The handlers, with the clients that they use."""

    def __init__(self, broker: KafkaBroker, emails: str, redis: Redis, pool: SmtpPool) -> None:
        self._broker = broker
        self._emails = emails
        self._redis = redis
        self._pool = pool

    async def resolve(self, events: list[Event]) -> None:
        """Look up the recipients, drop repeated deliveries, fill inboxes, publish emails."""
        recipients = await self._recipients(events)
        pairs = [(event, r) for event, rs in zip(events, recipients, strict=True) for r in rs]
        unseen = await self._unseen([f"peer:seen:{e.source}:{e.id}:{r['uuid']}" for e, r in pairs])
        new = [pair for pair, is_new in zip(pairs, unseen, strict=True) if is_new]
        inbox = [pair for pair in new if pair[1]["medium"] == "api"]
        mail = [pair for pair in new if pair[1]["medium"] == "email"]
        if inbox:
            await self._fill(inbox)
        if mail:
            await self._broker.publish_batch(
                *[
                    KafkaPublishMessage(
                        Email(id=e.id, type=e.type, address=r["address"], data=e.data), key=r["uuid"].encode()
                    )
                    for e, r in mail
                ],
                topic=self._emails,
            )

    async def _recipients(self, events: Sequence[Event]) -> list[list[dict[str, str]]]:
        """Return the recipients of each event, from the same rows as Tocsin's, read in one pipeline."""
        pipe = self._redis.pipeline(transaction=False)
        for event in events:
            if event.account:
                pipe.hvals(f"tocsin:{{a:{event.account}}}:contacts")
            else:
                pipe.get(f"tocsin:{{g:{event.external_id}\x7f{event.project_id}}}:row")
        replies = await pipe.execute()
        return [_recipients_in(event, reply) for event, reply in zip(events, replies, strict=True)]

    async def _unseen(self, keys: Sequence[str]) -> list[bool]:
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.set(key, 1, nx=True, ex=_TTL_S)
        return [bool(reply) for reply in await pipe.execute()]

    async def _fill(self, deliveries: Sequence[tuple[Event, Mapping[str, str]]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for event, recipient in deliveries:
            entry = {
                "type": event.type,
                "meta": event.data,
                "line": inbox_line(event.data),
                "created_at": event.time,
            }
            inbox = f"peer:inbox:{recipient['uuid']}"
            pipe.hset(inbox, event.id, orjson.dumps(entry))
            pipe.zadd(f"{inbox}:unread", {event.id: time.time()})
            pipe.hincrby(f"{inbox}:counts", event.type, 1)
        pipe.incrby(FINISHED.format("inbox"), len(deliveries))
        await pipe.execute()

    async def resolve_one(self, event: Event) -> None:
        """Resolve one event."""
        await self.resolve([event])

    async def mail_one(self, email: Email) -> None:
        """Send one message."""
        await self.mail([email])

    async def mail(self, emails: list[Email]) -> None:
        """Send a batch, then record when each message was sent."""
        sent = await asyncio.gather(*(self._send(email) for email in emails))
        pipe = self._redis.pipeline(transaction=False)
        for email, at_ms in zip(emails, sent, strict=True):
            pipe.set(SENT + email.id, at_ms, ex=_TTL_S)
        pipe.incrby(FINISHED.format("mail"), len(emails))
        await pipe.execute()

    async def _send(self, email: Email) -> int:
        message = message_bytes(email.id, email.type, email.address, email.data)
        await self._pool.send(email.address, message)
        return time.time_ns() // 1_000_000


def _recipients_in(event: Event, reply: Any) -> list[dict[str, str]]:
    """Return the recipients of an event, with their medium, from the rows that were read for it."""
    if event.account:
        contacts = [orjson.loads(row) for row in reply]
        return [
            {"uuid": contact["uuid"], "address": contact["email"], "medium": "api"}
            for contact in contacts
            if contact.get("preferences", {}).get(f"{event.type}:inbox", {}).get("on", True)
        ]
    group = orjson.loads(reply) if reply else {}
    addresses = group.get("addresses", {}).get(event.type, ())
    return [{"uuid": address, "address": address, "medium": "email"} for address in addresses]


def build(mode: str, bootstrap: str, redis_url: str, smtp_port: int) -> FastStream:
    """Return the application of one process."""
    broker = KafkaBroker(bootstrap, linger_ms=2, max_batch_size=262_144, logger=None)
    redis = Redis.from_url(redis_url)
    pool = SmtpPool(smtp_port)
    events, emails = MODES[mode].topics
    service = Service(broker, emails, redis, pool)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await pool.start()
        yield
        await redis.aclose()

    options: dict[str, Any] = {"auto_offset_reset": "earliest", "ack_policy": AckPolicy.NACK_ON_ERROR}
    if mode == "batch":
        options |= {"batch": True, "batch_timeout_ms": 10}
        broker.subscriber(events, group_id=events, max_records=_EVENTS_PER_BATCH, **options)(service.resolve)
        broker.subscriber(emails, group_id=emails, max_records=_MAILS_PER_BATCH, **options)(service.mail)
    else:
        broker.subscriber(events, group_id=events, **options)(service.resolve_one)
        broker.subscriber(emails, group_id=emails, **options)(service.mail_one)
    return FastStream(broker, lifespan=lifespan, logger=None)
