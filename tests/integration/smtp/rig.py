"""Starts the real engine against scripted servers, and waits for what should come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from service.adapters.smtp import Cooldowns, Relay, SmtpTransport, Timeouts
from service.model.mail import OutgoingMail, SendResult
from service.ports import SendRateLimit
from tests.support.smtp_server import ScriptedServer

PATIENT = Timeouts(*([60.0] * 8))
SOON = Cooldowns(away=0.05, busy=0.05, fault=0.1, longest=0.2)
BODY = b"Subject: hello\r\n\r\nOne line.\r\n"
LOCK_STEP = ("SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN")
PIPELINING = ("PIPELINING", *LOCK_STEP)


def relay(server: ScriptedServer, name: str = "first", **changes: Any) -> Relay:
    """A relay on a scripted server, with short rests and one connection unless told otherwise."""
    base = Relay(
        name, "127.0.0.1", server.port, security="none", max_connections=1, timeouts=PATIENT, rests=SOON
    )
    return replace(base, **changes)


def mail(
    number: int = 0, recipient: str | None = None, content: bytes = BODY, sender: str = "bounces@tocsin.test"
) -> OutgoingMail:
    """A small mail; the recipient's address has its number unless told otherwise."""
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


async def results(transport: SmtpTransport, *mails: OutgoingMail, within_s: float = 30.0) -> list[SendResult]:
    """Submit all at once and wait for every result."""
    async with asyncio.timeout(within_s):
        return list(await asyncio.gather(*(transport.submit(one) for one in mails)))


async def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Poll until the condition holds; fail when it does not come."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
