"""What the HTTP API keeps for itself: request limits and idempotency keys, shared by all its processes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit. `reset_s` is the time until it is whole again, in seconds, at least 1."""

    allowed: bool
    limit: int
    remaining: int
    window_s: int
    reset_s: int


class RateLimits(Protocol):
    """Counts requests against limits that all API processes share."""

    async def hit(self, limit: str, who: str) -> Quota:
        """Count one request of `who` against `limit` (`600/minute`). Raises Unavailable."""
        ...


class IdempotencyState(StrEnum):
    """What is known of an idempotency key."""

    first = "first"
    running = "running"
    mismatch = "mismatch"
    done = "done"


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """`answer` is what the first request was told; empty unless it is done."""

    repeat: IdempotencyState
    answer: bytes = b""


class Idempotency(Protocol):
    """Remembers requests by their Idempotency-Key, for a day."""

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        """Claim a key for a request with this fingerprint, or tell what became of the request that has it."""
        ...

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keep the answer."""
        ...

    async def release(self, key: str) -> None:
        """Forget a request that changed nothing, so that it may be sent again."""
        ...
