"""The mode `ledger`: a FastStream service that keeps Tocsin's promises, with redis-py and aiosmtplib.

1. `resolve` looks up the recipients of events, enters a row for each delivery, and publishes what is queued to the
   topic of its channel.
2. `inbox` adds the entry and closes the row, in one script.
3. `mail` rechecks and claims, so that a crash is visible as `ambiguous`, then sends and closes the row.

Each stage publishes the outcomes of what it has closed, and commits after that: a record may be read twice, and a row
then shows what was done. It uses batches, uvloop, msgspec, scripts for all of a batch, and an idempotent producer.
`bench.peers.modes` lists what it does less than Tocsin.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import msgspec
import orjson
from aiosmtplib import SMTPConnectError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from redis.asyncio import Redis

from bench.peers.ledger import PREFIX, Ledger, NewEntry, NewRow, Step
from bench.peers.mail import RENDER_ERRORS, SmtpPool, inbox_line, message_bytes
from bench.peers.modes import LEDGER
from bench.peers.publisher import BATCH_BYTES, Publisher
from bench.peers.records import (
    Delivery,
    Event,
    addresses_in,
    decode_contact,
    decode_delivery,
    decode_event,
    encode,
    group_key,
    new_delivery,
)

_EVENTS_PER_BATCH, _ENTRIES_PER_BATCH = 500, 500
_MAILS_PER_BATCH = 100
_RETRY_S = 1.0


class LedgerService:
    """The handlers, with the clients that they use."""

    def __init__(self, publisher: Publisher, ledger: Ledger, pool: SmtpPool) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._pool = pool
        self._owner = token_hex(8)

    async def resolve(self, values: list[bytes]) -> None:
        """Look up the recipients of events, enter their deliveries, publish those that are queued."""
        events = await self._decoded(values, decode_event)
        now_ms = _now_ms()
        decided = {d.id: (d, step) for d, step in await self._decide(events, now_ms)}
        rows = [NewRow(d.id, f"{d.source}:{d.event_id}", d.recipient, step) for d, step in decided.values()]
        queued: list[Delivery] = []
        closed: list[tuple[Delivery, Step]] = []
        for (delivery, first), newest in zip(
            decided.values(), await self._ledger.enter(rows, now_ms), strict=True
        ):
            if newest.state == "queued":
                queued.append(delivery)
            elif newest.state in (first.state, "withdrawn"):
                closed.append((delivery, newest))
        await asyncio.gather(
            self._publisher.publish(
                LEDGER.inbox, ((d.recipient, encode(d)) for d in queued if d.channel == "inbox")
            ),
            self._publisher.publish(
                LEDGER.email, ((d.recipient, encode(d)) for d in queued if d.channel == "email")
            ),
            self._publisher.publish_outcomes(closed),
        )

    async def _decide(self, events: Sequence[Event], now_ms: int) -> list[tuple[Delivery, Step]]:
        """Return the deliveries of events, each with its first step."""
        accounts = list({event.account for event in events if event.account})
        groups = list({group_key(event) for event in events if not event.account})
        rows, lists = await asyncio.gather(self._ledger.contacts(accounts), self._ledger.strings(groups))
        contacts = {
            a: [decode_contact(row) for row in found] for a, found in zip(accounts, rows, strict=True)
        }
        addresses = {key: addresses_in(row) for key, row in zip(groups, lists, strict=True)}
        queued = Step("queued", now_ms)
        skipped = Step("skipped", now_ms, "preference_off")
        decided: list[tuple[Delivery, Step]] = []
        for event in events:
            if event.account:
                preference = f"{event.type}:inbox"
                for contact in contacts[event.account]:
                    choice = contact.preferences.get(preference)
                    step = queued if choice is None or choice.on else skipped
                    decided.append((new_delivery(event, "inbox", contact.uuid, now_ms), step))
            else:
                group = group_key(event)
                decided += [
                    (new_delivery(event, "email", address, now_ms, group), queued)
                    for address in addresses[group].get(event.type, ())
                ]
        return decided

    async def inbox(self, values: list[bytes]) -> None:
        """Add the entries of a batch and close their rows."""
        deliveries = _by_id(await self._decoded(values, decode_delivery))
        now_ms = _now_ms()
        delivered = Step("delivered", now_ms)
        entries: list[NewEntry] = []
        others: list[tuple[str, Step]] = []
        for delivery in deliveries.values():
            if delivery.deadline_ms <= now_ms:
                others.append((delivery.id, Step("expired", now_ms, "past_deadline")))
                continue
            try:
                entries.append(_entry(delivery, delivered))
            except RENDER_ERRORS as error:
                others.append((delivery.id, Step("dead", now_ms, str(error))))
        before = [*await self._ledger.deliver(entries), *await self._ledger.move("queued", others)]
        steps = [(entry.id, entry.step) for entry in entries] + others
        await self._publisher.publish_outcomes(
            (deliveries[id_], step if stored.startswith(b"queued\t") else _stored(stored))
            for (id_, step), stored in zip(steps, before, strict=True)
        )

    async def mail(self, values: list[bytes]) -> None:
        """Recheck and claim the messages of a batch, send them, and close their rows.

        Raise ConnectionError when the relay could not be reached: the batch is then read again.
        """
        deliveries = list(_by_id(await self._decoded(values, decode_delivery)).values())
        steps = await self._recheck(deliveries)
        before = await self._ledger.move(
            "queued", [(d.id, s) for d, s in zip(deliveries, steps, strict=True)]
        )
        claimed: list[Delivery] = []
        abandoned: list[Delivery] = []
        closed: list[tuple[Delivery, Step]] = []
        for delivery, step, stored in zip(deliveries, steps, before, strict=True):
            state = stored.partition(b"\t")[0]
            if state == b"queued" and step.state == "sending":
                claimed.append(delivery)
            elif state == b"sending":  # claimed by a process that has died
                abandoned.append(delivery)
            else:  # settled now, or before: then its outcome may not have been published
                closed.append((delivery, step if state == b"queued" else _stored(stored)))
        closed += await self._close_abandoned(abandoned)
        results = list(zip(claimed, await asyncio.gather(*map(self._send, claimed)), strict=True))
        # `ambiguous`: after a rebalance, the process that reads the records now took this one for dead.
        await self._ledger.move("sending ambiguous", [(delivery.id, step) for delivery, step in results])
        await self._publisher.publish_outcomes(closed + [one for one in results if one[1].state != "queued"])
        if any(step.state == "queued" for _, step in results):
            await asyncio.sleep(_RETRY_S)
            raise ConnectionError("the relay could not be reached")

    async def _close_abandoned(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Step]]:
        """Close deliveries that another process has claimed; it has died, or no longer reads their records."""
        step = Step("ambiguous", _now_ms(), "worker_died")
        before = await self._ledger.move("sending", [(delivery.id, step) for delivery in deliveries])
        return [
            (delivery, step if stored.startswith(b"sending\t") else _stored(stored))
            for delivery, stored in zip(deliveries, before, strict=True)
        ]

    async def _recheck(self, deliveries: Sequence[Delivery]) -> list[Step]:
        """Return the next step of each delivery: `sending`, or why it is not sent. One MGET reads all rows."""
        now_ms = _now_ms()
        groups = list({delivery.group for delivery in deliveries})
        suppressed = [f"{PREFIX}suppressed:{delivery.recipient.lower()}" for delivery in deliveries]
        unsubscribed = [
            f"{PREFIX}unsubscribed:{delivery.recipient}:{delivery.type}" for delivery in deliveries
        ]
        rows = await self._ledger.strings([*groups, *suppressed, *unsubscribed])
        addresses = {group: addresses_in(row) for group, row in zip(groups, rows, strict=False)}
        blocks = rows[len(groups) :]
        steps: list[Step] = []
        for delivery, suppression, unsubscribe in zip(
            deliveries, blocks[: len(deliveries)], blocks[len(deliveries) :], strict=True
        ):
            if delivery.deadline_ms <= now_ms:
                steps.append(Step("expired", now_ms, "past_deadline"))
            elif delivery.recipient not in addresses[delivery.group].get(delivery.type, ()):
                steps.append(Step("skipped", now_ms, "not_in_group"))
            elif suppression:
                steps.append(Step("suppressed", now_ms, "suppressed_address"))
            elif unsubscribe:
                steps.append(Step("skipped", now_ms, "unsubscribed"))
            else:
                steps.append(Step("sending", now_ms, self._owner))
        return steps

    async def _send(self, delivery: Delivery) -> Step:
        """Send a message. Return the next step: `queued` where nothing has left."""
        data = orjson.loads(memoryview(delivery.data))
        try:
            message = message_bytes(delivery.event_id, delivery.type, delivery.recipient, data)
            await self._pool.send(delivery.recipient, message)
        except RENDER_ERRORS as error:
            return Step("dead", _now_ms(), str(error))
        except SMTPConnectError as error:
            return Step("queued", _now_ms(), str(error))
        except (SMTPResponseException, SMTPRecipientsRefused) as error:
            return Step("bounced", _now_ms(), str(error))
        except SMTPException as error:
            return Step("ambiguous", _now_ms(), str(error))
        return Step("sent", _now_ms())

    async def _decoded(self, values: Iterable[bytes], decode: Any) -> list[Any]:
        """Return the records of a batch; publish those that cannot be decoded as dead letters."""
        records, refused = [], []
        for value in values:
            try:
                records.append(decode(value))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                refused.append(
                    ("", orjson.dumps({"reason": str(error), "value": value.decode(errors="replace")}))
                )
        if refused:
            await self._publisher.publish(LEDGER.dead_letter, refused)
        return records


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _by_id(deliveries: Iterable[Delivery]) -> dict[str, Delivery]:
    return {delivery.id: delivery for delivery in deliveries}


def _stored(step: bytes) -> Step:
    return Step.from_bytes(step) if step else Step("dead", _now_ms(), "not in the ledger")


def _entry(delivery: Delivery, step: Step) -> NewEntry:
    entry = {
        "type": delivery.type,
        "meta": delivery.data,
        "line": inbox_line(orjson.loads(memoryview(delivery.data))),
        "created_ms": delivery.created_ms,
    }
    return NewEntry(delivery.id, delivery.recipient, step, delivery.created_ms, delivery.type, encode(entry))


async def _bodies(message: KafkaMessage) -> Any:
    """Return the values of a batch as they are, for the handlers to decode."""
    return message.body


def build(bootstrap: str, redis_url: str, smtp_port: int, partitions: int) -> FastStream:
    """Return the application of one process."""
    broker = KafkaBroker(
        bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        decoder=_bodies,
        apply_types=False,
        logger=None,
    )
    redis = Redis.from_url(redis_url)
    pool = SmtpPool(smtp_port)
    service = LedgerService(Publisher(broker, partitions), Ledger(redis), pool)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await pool.start()
        yield
        await redis.aclose()

    for topic, most, handler in (
        (LEDGER.events, _EVENTS_PER_BATCH, service.resolve),
        (LEDGER.inbox, _ENTRIES_PER_BATCH, service.inbox),
        (LEDGER.email, _MAILS_PER_BATCH, service.mail),
    ):
        broker.subscriber(
            topic,
            group_id=topic,
            batch=True,
            batch_timeout_ms=10,
            max_records=most,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
        )(handler)
    return FastStream(broker, lifespan=lifespan, logger=None)
