"""Rendering and sending mail, and the scores and rate limits of addresses and relays."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from service.model.blocks.suppression import SoftBounceScore
from service.model.delivery import Delivery
from service.model.mail import OutgoingMail, SendResult
from service.model.relay import RelayHealth


class Lease(Protocol):
    """The time for which no other worker can take over a claim."""

    def holds(self) -> bool:
        """Return whether it holds now. Once it is over it stays over."""
        ...


class MailClaims(Protocol):
    """Permission to send messages, which a transport requests for those that its connections are about to send."""

    async def claim(self, mails: Sequence[OutgoingMail]) -> Sequence[Lease | None]:
        """Return for each message the lease of its claim; None for one that must not be sent now. Raise nothing."""
        ...


class MailTransport(Protocol):
    """Submission of messages to relays."""

    @property
    def closing(self) -> bool:
        """Return whether it begins no further message."""
        ...

    def submit(self, mail: OutgoingMail, claims: MailClaims | None = None) -> "asyncio.Future[SendResult]":
        """Queue a message. The future holds its result and never raises except when cancelled.

        With `claims` it is sent only once it is claimed, and while its lease holds; otherwise it comes back unsent.
        """
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
        """Return at once as unsent what is not at a relay; wait at most `drain_s` seconds for relays; then disconnect.

        A message that then still has no reply is ambiguous. May be called again, with less time.
        """
        ...


class Renderer(Protocol):
    """Rendering of deliveries for people. Raises RenderFailed."""

    def email(self, delivery: Delivery, headers: Mapping[str, str], preferences: str = "") -> bytes:
        """Return a whole RFC 5322 message with CRLF lines. `headers` are added to the standard ones.

        `preferences` is the URL of the page where the recipient chooses what to be notified of, if there is one.
        """
        ...

    def digest(
        self,
        delivery: Delivery,
        items: Sequence[Delivery],
        headers: Mapping[str, str],
        preferences: str = "",
    ) -> bytes:
        """Return the message of a digest with its items, oldest first; the rest as `email`.

        Raise DigestItemsFailed for items that cannot be rendered: without them, the digest can be. Any other
        RenderFailed is of the digest itself.
        """
        ...

    def check(self) -> None:
        """Render every template once. Raise TemplateFault for the first that fails."""
        ...

    def inbox_line(self, delivery: Delivery) -> str:
        """Return one line of plain text."""
        ...

    def brand_key(self, delivery: Delivery) -> str:
        """Return the key of the brand in whose look the delivery is rendered; empty for the default."""
        ...


class RenderFailed(Exception):
    """A template could not be rendered with this data; retrying does not help."""


class DigestItemsFailed(RenderFailed):
    """Items of a digest could not be rendered: `reasons` has the reason of each by the id of its delivery."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(f"{len(reasons)} items of the digest cannot be rendered")
        self.reasons = reasons


class SoftBounceScores(Protocol):
    """Scores of mailboxes that could not take mail recently; a score halves every week."""

    async def add(self, failures: Sequence[tuple[str, str]], at_ms: int) -> Sequence[SoftBounceScore]:
        """Add one for each (address key, delivery id), at most once a day for each delivery. Return the scores."""
        ...

    async def put(self, scores: Mapping[str, SoftBounceScore], now_ms: int) -> None:
        """Restore scores by their address keys, except where a newer one is stored or the score has faded."""
        ...

    async def clear(self, address_key: str) -> None:
        """Remove the score of an address."""
        ...


class SendRateLimit(Protocol):
    """The rate limits of messages, shared by all workers: of a relay, and through it of some domains."""

    def is_limited(self, domain: str) -> bool:
        """Return whether the domain has a limit of its own."""
        ...

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        """Reserve `n` messages to `domain` through `relay`; without a domain, of all that the relay takes.

        Return the seconds to wait before sending, 0.0 for none. Raise Unavailable when the limit cannot be read.
        """
        ...
