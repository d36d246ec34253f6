"""Idempotency keys, request limits and tickets of the HTTP API, in memory."""

from collections import defaultdict

from service.ports import IdempotencyRecord, IdempotencyState, Quota, StreamTicket


class FakeIdempotency:
    """Implements the Idempotency port; records never expire."""

    def __init__(self) -> None:
        self._requests: dict[str, tuple[str, bytes]] = {}

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        if key not in self._requests:
            self._requests[key] = (fingerprint, b"")
            return IdempotencyRecord(IdempotencyState.first)
        stored, answer = self._requests[key]
        if stored != fingerprint:
            return IdempotencyRecord(IdempotencyState.mismatch)
        return (
            IdempotencyRecord(IdempotencyState.done, answer)
            if answer
            else IdempotencyRecord(IdempotencyState.running)
        )

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        self._requests[key] = (fingerprint, answer)

    async def release(self, key: str) -> None:
        self._requests.pop(key, None)


class FakeRateLimits:
    """Implements the RateLimits port, in one window that never ends."""

    def __init__(self) -> None:
        self.taken: defaultdict[str, int] = defaultdict(int)

    async def hit(self, limit: str, who: str, cost: int = 1) -> Quota:
        amount = int(limit.partition("/")[0])
        allowed = self.taken[who] + cost <= amount
        self.taken[who] += cost * allowed
        return Quota(allowed, amount, amount - self.taken[who], 60, 60)


class FakeStreamTickets:
    """Implements the StreamTickets port; tickets never expire."""

    def __init__(self) -> None:
        self._tickets: dict[str, StreamTicket] = {}

    async def put(self, secret: str, ticket: StreamTicket) -> None:
        self._tickets[secret] = ticket

    async def take(self, secret: str) -> StreamTicket | None:
        return self._tickets.pop(secret, None)


class FakeEndedSessions:
    """Implements the EndedSessions port; nothing expires."""

    def __init__(self) -> None:
        self._sessions: set[str] = set()

    async def add(self, session: str, lifetime_s: int) -> None:
        self._sessions.add(session)

    async def contains(self, session: str) -> bool:
        return session in self._sessions
