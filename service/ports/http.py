"""State of the HTTP API that all its processes share: request limits, idempotency keys, tickets of streams."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Quota:
    """The rest of a request limit. `reset_s` is the time until it is whole again, in seconds, at least 1."""

    allowed: bool
    limit: int
    remaining: int
    window_s: int
    reset_s: int


class RateLimits(Protocol):
    """Counters of requests against limits that all API processes share."""

    async def hit(self, limit: str, caller: str, cost: int = 1) -> Quota:
        """Count `cost` requests of `caller` against `limit` (`600/minute`), or none if there are not as many left.

        Raise Unavailable.
        """
        ...


class IdempotencyState(StrEnum):
    """The state of an idempotency key."""

    first = "first"
    running = "running"
    mismatch = "mismatch"
    done = "done"


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The state of a key, and the response to its first request; empty unless that is done."""

    repeat: IdempotencyState
    answer: bytes = b""


class Idempotency(Protocol):
    """Requests by their Idempotency-Key, kept for a day."""

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        """Claim a key for a request with this fingerprint, or return the state of the request that holds it."""
        ...

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Store the response."""
        ...

    async def release(self, key: str) -> None:
        """Remove the key of a request that changed nothing, so that it may be sent again."""
        ...


STREAM_TICKET_S = 30


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """The right to open one live stream of a recipient's inbox. `until_s`: when the stream ends at the latest (epoch).

    `inf` for a stream that no credential ends.
    """

    recipient: str
    until_s: float


class StreamTickets(Protocol):
    """Tickets by their secrets, each kept for STREAM_TICKET_S seconds."""

    async def put(self, secret: str, ticket: StreamTicket) -> None:
        """Store a ticket. Raise Unavailable."""
        ...

    async def take(self, secret: str) -> StreamTicket | None:
        """Return a ticket and remove it; None for one that was taken before, or never stored. Raise Unavailable."""
        ...


class EndedSessions(Protocol):
    """Sessions of the console that were signed out before their time."""

    async def add(self, session: str, lifetime_s: int) -> None:
        """Note that a session has ended, for as long as it could have been used. Raise Unavailable."""
        ...

    async def contains(self, session: str) -> bool:
        """Return whether a session has ended. Raise Unavailable."""
        ...
