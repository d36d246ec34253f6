"""Costs that the rounds do not show: long inboxes and indexes, inboxes whose entries expire, a DKIM signature."""

import time
from secrets import token_hex

import psutil
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.capacity.stack import CapacityStack
from service.adapters.dkim import DkimSigner
from service.adapters.redis.inbox.inbox import RedisInbox
from service.bootstrap.parts import Parts, bootstrap
from service.model.channels import Channel
from service.model.ids import DELIVERY_BYTES, event_of_delivery
from service.model.ledger import NewEntry, State
from service.model.reasons import Reason
from service.ports import InboxItem
from service.settings import KafkaSettings, RedisSettings, Settings

_LENGTHS = (10, 100, 1000)
_RECIPIENTS = 10
_AT_A_TIME = 10
_DAY_MS = 86_400_000
_ENTRIES, _DROPPED = 225, 400
_LIFE_MS = _ENTRIES * _DAY_MS
_FILLED = "user-0"
_SIGNATURES = 300
_MESSAGE = (
    b"".join(
        name + b": a header of a usual length <someone@example.com>\r\n"
        for name in (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"List-Id")
    )
    + b"\r\n"
    + b"A line of seventy-two characters, as messages have some ninety of them.\r\n" * 90
)


async def bytes_by_length(stack: CapacityStack) -> dict[str, dict[int, float]]:
    """Return the memory of an entry, keys included, by the number of entries: of an inbox, and of an index."""
    settings = Settings(
        kafka=KafkaSettings(bootstrap=stack.kafka.bootstrap), redis=RedisSettings(url=stack.valkey.url)
    )
    parts = bootstrap(settings)
    try:
        (pattern,) = await parts.inbox.unread(_FILLED, limit=1)
        for length in _LENGTHS:
            for n in range(_RECIPIENTS):
                await _fill(parts, pattern._replace(recipient=f"length-{length}-{n}"), length)
        return {
            kind: {length: await _bytes(stack, f"length-{length}-*", suffix) / length for length in _LENGTHS}
            for kind, suffix in (("inbox", "inbox"), ("index", "deliveries"))
        }
    finally:
        await parts.store.close()


async def expiry(stack: CapacityStack) -> tuple[float, float]:
    """Return the bytes of the id of an entry that was removed, and the CPU of Redis in µs of a look for expired ones.

    The CPU is divided by the entries of the inbox, since a look reads all of them. With an addition a day, every other
    one looks. The inboxes live through the 625 days before now: the server refuses a clock that is ahead of its own.
    """
    settings = Settings(
        kafka=KafkaSettings(bootstrap=stack.kafka.bootstrap), redis=RedisSettings(url=stack.valkey.url)
    )
    parts = bootstrap(settings)
    try:
        (pattern,) = await parts.inbox.unread(_FILLED, limit=1)
        clock = _MovableClock(pattern.created_ms - (_ENTRIES + _DROPPED) * _DAY_MS)
        inbox = RedisInbox(parts.store, clock)
        before_us = await _age(stack, inbox, clock, pattern, _ENTRIES)
        after_us = await _age(stack, inbox, clock, pattern, _DROPPED)
        for n in range(_RECIPIENTS):
            kept = await inbox.unread(f"aged-{n}")
            await inbox.remove(f"aged-{n}", [item.id for item in kept])
        removed_bytes = await _bytes(stack, "aged-*", "inbox:seen") / len(kept)
        return removed_bytes, max(0.0, after_us - before_us) * 2 / _ENTRIES
    finally:
        await parts.store.close()


async def _age(
    stack: CapacityStack, inbox: RedisInbox, clock: "_MovableClock", pattern: InboxItem, additions: int
) -> float:
    """Add so many entries to each of some inboxes, one a day; return the CPU of Redis in µs an addition."""
    process = psutil.Process(stack.pids["redis"])
    before = process.cpu_times()
    for _ in range(additions):
        clock.ms += _DAY_MS
        items = []
        for n in range(_RECIPIENTS):
            id_ = "00" + token_hex(DELIVERY_BYTES - 1)
            items.append(
                pattern._replace(
                    id=id_,
                    recipient=f"aged-{n}",
                    event=event_of_delivery(id_),
                    created_ms=clock.ms,
                    expires_ms=clock.ms + _LIFE_MS,
                )
            )
        await inbox.add(items)
    after = process.cpu_times()
    spent_s: float = after.user + after.system - before.user - before.system
    return spent_s * 1e6 / additions / _RECIPIENTS


class _MovableClock:
    """A clock that stands still unless it is set."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        """Return the time in ms."""
        return self.ms

    def boot_s(self) -> float:
        """Return the same in seconds."""
        return self.ms / 1000


async def _fill(parts: Parts, pattern: InboxItem, length: int) -> None:
    """Add copies of an entry to its recipient's inbox and index, some at a time, as they come."""
    for start in range(0, length, _AT_A_TIME):
        ids = ["00" + token_hex(DELIVERY_BYTES - 1) for _ in range(min(length - start, _AT_A_TIME))]
        await parts.inbox.add([pattern._replace(id=id_, event=event_of_delivery(id_)) for id_ in ids])
        entries = [
            NewEntry(
                event_of_delivery(id_),
                id_,
                pattern.recipient,
                Channel.inbox,
                State.queued,
                Reason.none,
                at_ms,
            )
            for at_ms, id_ in enumerate(ids, pattern.created_ms + start)
        ]
        await parts.ledger.index_by_recipient(entries)


async def _bytes(stack: CapacityStack, recipients: str, suffix: str) -> float:
    """Return the memory of the keys with a suffix, of the mean recipient."""
    total = 0
    async for key in stack.redis.scan_iter(f"tocsin:{{r:{recipients}}}:{suffix}*", count=1000):
        total += await stack.redis.memory_usage(key, samples=0) or 0
    return total / _RECIPIENTS


def dkim_us() -> float:
    """Return the CPU in µs of one signature with a 2048-bit key over a message of some 7 kB."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sign = DkimSigner("example.com", "capacity", pem)
    started = time.process_time()
    for _ in range(_SIGNATURES):
        sign(_MESSAGE)
    return (time.process_time() - started) / _SIGNATURES * 1e6
