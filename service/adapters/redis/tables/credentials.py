"""The credentials of accounts and services."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.tables.row_scripts import (
    DELETE_IN_HASH,
    DELETE_ROW,
    PUT_IN_HASH,
    PUT_ROW,
    TOMBSTONE_S,
)
from service.adapters.redis.tables.rows import is_current
from service.adapters.redis.unreadable_rows import readable
from service.model.access import Account, ApiKey
from service.model.recipient import row_bytes


class RedisAccounts:
    """Implements the Accounts port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, account: str) -> Account | None:
        """Return an account's row; None where there is none. Raise Unavailable, also while Redis is incomplete."""
        key = self._store.keys.credential(account)
        (row, mark), _ = await self._store.fetch([key, self._store.completeness_marks.mark_for(key)])
        if row is None:  # only an absent row may mean lost data
            require_complete([mark])
        return readable("accounts", Account.model_validate_json, row) if is_current(row) else None

    async def put(self, row: Account) -> bool:
        """Write a row; return False where a newer version is stored."""
        key = self._store.keys.credential(row.id)
        return bool((await self._store.run_script(PUT_ROW, key, row.version, row_bytes(row)))[0])

    async def delete(self, account: str, version: int) -> bool:
        """Delete a row; return False where a newer version is stored."""
        key = self._store.keys.credential(account)
        return bool((await self._store.run_script(DELETE_ROW, key, version, TOMBSTONE_S))[0])


class RedisApiKeys:
    """Implements the ApiKeys port: one hash, written by the scripts of contacts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, key: str) -> ApiKey | None:
        """Return a key by its id; None where there is none. Raise Unavailable, also while Redis is incomplete."""
        keys = self._store.keys
        row, mark = await self._store.pipeline(
            [("HGET", keys.api_keys, key), ("GET", self._store.completeness_marks.mark_for(keys.api_keys))]
        )
        if row is None:
            require_complete([mark])
        return None if row is None else readable("api-keys", ApiKey.model_validate_json, row)

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, revoked ones too, by id."""
        (rows,) = await self._store.pipeline([("HVALS", self._store.keys.api_keys)])
        parsed = (readable("api-keys", ApiKey.model_validate_json, row) for row in rows)
        return sorted((row for row in parsed if row is not None), key=lambda row: row.id)

    async def put(self, row: ApiKey) -> bool:
        """Write a key; return False where a newer version is stored."""
        args = (1, row.id, row.version, row_bytes(row))
        return bool((await self._store.run_script(PUT_IN_HASH, self._store.keys.api_keys, *args))[0])

    async def delete(self, key: str, version: int) -> bool:
        """Delete a key; return False where a newer version is stored. To revoke one, `put` it with the time."""
        args = (key, version, TOMBSTONE_S)
        return bool((await self._store.run_script(DELETE_IN_HASH, self._store.keys.api_keys, *args))[0])
