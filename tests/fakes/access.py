"""What the API needs beyond tables and inboxes, in memory."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from service.model.access import Account, ApiKey
from service.model.recipient import Recipient
from service.model.record import Message
from service.ports import IdempotencyRecord, IdempotencyState, Quota
from tests.fakes.outage import Outage
from tests.fakes.tables import FakeTables


class FakePublisher:
    """Publisher: keeps what it was given."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.outage.check()
        await asyncio.sleep(0)
        self.messages += messages


class FakeAccounts:
    """Accounts."""

    def __init__(self) -> None:
        self.rows: dict[str, Account] = {}
        self._gone: dict[str, int] = {}

    async def get(self, account: str) -> Account | None:
        return self.rows.get(account)

    async def put(self, row: Account) -> bool:
        standing = self.rows.get(row.id)
        if (standing.version if standing else self._gone.get(row.id, 0)) > row.version:
            return False
        self.rows[row.id] = row
        return True

    async def delete(self, account: str, version: int) -> bool:
        standing = self.rows.get(account)
        if standing and standing.version > version:
            return False
        self.rows.pop(account, None)
        self._gone[account] = version
        return True


class FakeApiKeys:
    """ApiKeys."""

    def __init__(self) -> None:
        self.rows: dict[str, ApiKey] = {}

    async def get(self, key: str) -> ApiKey | None:
        return self.rows.get(key)

    async def all(self) -> Sequence[ApiKey]:
        return [self.rows[key] for key in sorted(self.rows)]

    async def put(self, row: ApiKey) -> bool:
        standing = self.rows.get(row.id)
        if standing and standing.version > row.version:
            return False
        self.rows[row.id] = row
        return True

    async def delete(self, key: str, version: int) -> bool:
        standing = self.rows.get(key)
        if standing and standing.version > version:
            return False
        self.rows.pop(key, None)
        return True


class FakeDirectory:
    """Directory, over the fake tables."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        rows = sorted(self._tables.recipients.values(), key=lambda row: row.id.encode())
        return [row for row in rows if row.id.encode() > after.encode()][:limit]


class FakeRowLocks:
    """RowLocks of one process."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, row: str) -> AsyncIterator[None]:
        async with self._locks[row]:
            yield


class FakeIdempotency:
    """Idempotency that never forgets."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, bytes]] = {}

    async def begin(self, key: str, fingerprint: str) -> IdempotencyRecord:
        if key not in self._known:
            self._known[key] = (fingerprint, b"")
            return IdempotencyRecord(IdempotencyState.first)
        known, answer = self._known[key]
        if known != fingerprint:
            return IdempotencyRecord(IdempotencyState.mismatch)
        return (
            IdempotencyRecord(IdempotencyState.done, answer)
            if answer
            else IdempotencyRecord(IdempotencyState.running)
        )

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        self._known[key] = (fingerprint, answer)

    async def release(self, key: str) -> None:
        self._known.pop(key, None)


class FakeRateLimits:
    """RateLimits in one window that never ends."""

    def __init__(self) -> None:
        self.taken: defaultdict[str, int] = defaultdict(int)

    async def hit(self, limit: str, who: str) -> Quota:
        amount = int(limit.partition("/")[0])
        allowed = self.taken[who] < amount
        self.taken[who] += allowed
        return Quota(allowed, amount, amount - self.taken[who], 60, 60)
