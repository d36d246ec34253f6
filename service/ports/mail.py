"""Rendering mail, handing it to relays, and what addresses remember."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from service.model.delivery import Delivery
from service.model.mail import OutgoingMail, SendResult
from service.model.relay import RelayHealth
from service.model.soft_bounce import SoftBounceScore


class MailTransport(Protocol):
    """Hands mail to relays."""

    def submit(self, mail: OutgoingMail) -> "asyncio.Future[SendResult]":
        """Queue a mail; the future never raises but for cancellation."""
        ...


class RelayTransport(MailTransport, Protocol):
    """The transport of a worker: started before its stages and closed after them."""

    async def start(self) -> None:
        """Begin to open connections; return at once."""
        ...

    def state(self) -> Sequence[RelayHealth]:
        """Return the health of every relay in order of preference."""
        ...

    async def close(self, drain_s: float = 20.0) -> None:
        """Accept no more, finish what is queued for at most `drain_s` seconds, then close every connection."""
        ...


class Renderer(Protocol):
    """Turns a delivery into what a person reads. Raises RenderFailed."""

    def email(self, delivery: Delivery, headers: Mapping[str, str]) -> bytes:
        """A whole RFC 5322 message, CRLF lines. `headers` are added to the standard ones."""
        ...

    def inbox_line(self, delivery: Delivery) -> str:
        """One line of plain text."""
        ...


class RenderFailed(Exception):
    """A template could not be rendered with this data; retrying does not help."""


class SoftBounceScores(Protocol):
    """How often a mailbox could not take mail of late: a score that halves every week."""

    async def add(self, address_keys: Sequence[str], at_ms: int) -> Sequence[SoftBounceScore]:
        """Add one to each; the scores now. A key named twice counts twice."""
        ...

    async def put(self, scores: Mapping[str, SoftBounceScore], now_ms: int) -> None:
        """Put scores back by their address keys, but for those that a newer one stands for, or that have faded."""
        ...

    async def clear(self, address_key: str) -> None:
        """Forget an address."""
        ...


class SendRateLimit(Protocol):
    """Reserves the right to send."""

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        """Reserve `n` mails to `domain` through `relay`; the seconds to wait before they may go, 0.0 for now.

        Raises service.ports.Unavailable when the limit cannot be asked.
        """
        ...
