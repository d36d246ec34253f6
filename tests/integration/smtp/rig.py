"""Run the real engine against scripted servers, and wait for its results."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

from service.adapters.smtp import Cooldowns, Relay, SmtpTransport, Timeouts
from service.model.mail import OutgoingMail, SendResult
from service.ports import SendRateLimit
from tests.support.smtp_server import ScriptedServer

PATIENT = Timeouts(*([60.0] * 8))
SOON = Cooldowns(unavailable_s=0.05, busy_s=0.05, fault_s=0.1, max_s=0.2)
BODY = b"Subject: hello\r\n\r\nOne line.\r\n"
LOCK_STEP = ("SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN")
PIPELINING = ("PIPELINING", *LOCK_STEP)


class SteadyRate:
    """Stands for the shared rate of a relay: `rate` messages a second, evenly."""

    def __init__(self, rate: float) -> None:
        self._interval_s = 1.0 / rate
        self._next = 0.0

    def is_limited(self, domain: str) -> bool:
        return False

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        now = monotonic()
        start = max(self._next, now - 0.1)
        self._next = start + n * self._interval_s
        return max(0.0, start - now)


def relay(server: ScriptedServer, name: str = "first", **changes: Any) -> Relay:
    """Return a relay on a scripted server, by default with short cooldowns and one connection."""
    base = Relay(
        name, "127.0.0.1", server.port, security="none", max_connections=1, timeouts=PATIENT, cooldowns=SOON
    )
    return replace(base, **changes)


def mail(
    number: int = 0, recipient: str | None = None, content: bytes = BODY, sender: str = "bounces@tocsin.test"
) -> OutgoingMail:
    """Return a small message; by default its number is in the recipient's address."""
    address = f"user{number}@example.com" if recipient is None else recipient
    return OutgoingMail(f"delivery{number}", sender, address, content)


@asynccontextmanager
async def engine(*relays: Relay, limit: SendRateLimit | None = None) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(relays, limit=limit)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.close(0)


async def send(transport: SmtpTransport, *messages: OutgoingMail, within_s: float = 30.0) -> list[SendResult]:
    """Submit all at once and return every result."""
    async with asyncio.timeout(within_s):
        return list(await asyncio.gather(*(transport.submit(one) for one in messages)))
