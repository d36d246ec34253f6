"""Credentials of accounts and services, in memory."""

from collections.abc import Sequence

from service.model.access import Account, ApiKey


class FakeAccounts:
    """Implements the Accounts port."""

    def __init__(self) -> None:
        self.rows: dict[str, Account] = {}
        self._gone: dict[str, int] = {}

    async def get(self, account: str) -> Account | None:
        return self.rows.get(account)

    async def put(self, row: Account) -> bool:
        current = self.rows.get(row.id)
        if (current.version if current else self._gone.get(row.id, 0)) > row.version:
            return False
        self.rows[row.id] = row
        return True

    async def delete(self, account: str, version: int) -> bool:
        current = self.rows.get(account)
        if current and current.version > version:
            return False
        self.rows.pop(account, None)
        self._gone[account] = version
        return True


class FakeApiKeys:
    """Implements the ApiKeys port."""

    def __init__(self) -> None:
        self.rows: dict[str, ApiKey] = {}

    async def get(self, key: str) -> ApiKey | None:
        return self.rows.get(key)

    async def all(self) -> Sequence[ApiKey]:
        return [self.rows[key] for key in sorted(self.rows)]

    async def put(self, row: ApiKey) -> bool:
        current = self.rows.get(row.id)
        if current and current.version > row.version:
            return False
        self.rows[row.id] = row
        return True

    async def delete(self, key: str, version: int) -> bool:
        current = self.rows.get(key)
        if current and current.version > version:
            return False
        self.rows.pop(key, None)
        return True
