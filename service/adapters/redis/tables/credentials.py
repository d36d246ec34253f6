"""The credentials of accounts and services."""

from collections.abc import Sequence

from service.adapters.redis.client import Script, Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.tables.rows import stands
from service.model.access import Account, ApiKey
from service.model.recipient import row_bytes

_PUT, _DELETE = Script("row_put"), Script("row_delete")
_PUT_IN_HASH, _DELETE_IN_HASH = Script("contacts_put"), Script("contact_delete")
_GONE_S = 30 * 86_400


class RedisAccounts:
    """The Accounts port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, account: str) -> Account | None:
        """An account's row; None where there is none."""
        key = self._store.keys.credential(account)
        (row, mark), _ = await self._store.fetch([key, self._store.marks.beside(key)])
        if row is None:
            require_complete([mark])
        return Account.model_validate_json(row) if row is not None and stands(row) else None

    async def put(self, row: Account) -> bool:
        """Write a row; False where a newer version stands."""
        key = self._store.keys.credential(row.id)
        return bool((await self._store.script(_PUT, key, row.version, row_bytes(row)))[0])

    async def delete(self, account: str, version: int) -> bool:
        """Remove a row; False where a newer version stands."""
        key = self._store.keys.credential(account)
        return bool((await self._store.script(_DELETE, key, version, _GONE_S))[0])


class RedisApiKeys:
    """The ApiKeys port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, key: str) -> ApiKey | None:
        """A key by its id; None where there is none."""
        keys = self._store.keys
        row, mark = await self._store.pipeline(
            [("HGET", keys.api_keys, key), ("GET", self._store.marks.beside(keys.api_keys))]
        )
        if row is None:
            require_complete([mark])
        return None if row is None else ApiKey.model_validate_json(row)

    async def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones too, by id."""
        (rows,) = await self._store.pipeline([("HVALS", self._store.keys.api_keys)])
        return sorted(map(ApiKey.model_validate_json, rows), key=lambda row: row.id)

    async def put(self, row: ApiKey) -> bool:
        """Write a key; False where a newer version stands."""
        args = (1, row.id, row.version, row_bytes(row))
        return bool((await self._store.script(_PUT_IN_HASH, self._store.keys.api_keys, *args))[0])

    async def delete(self, key: str, version: int) -> bool:
        """Forget a key; False where a newer version stands. Revoking one is a `put`, which says when."""
        return bool(
            (await self._store.script(_DELETE_IN_HASH, self._store.keys.api_keys, key, version, _GONE_S))[0]
        )
