"""Credentials of accounts and services, by id."""

from collections.abc import Sequence
from typing import Protocol

from service.model.access import Account, ApiKey


class Accounts(Protocol):
    """The credentials of accounts."""

    async def get(self, account: str) -> Account | None:
        """Return an account's row; None where there is none."""
        ...

    async def put(self, row: Account) -> bool:
        """Write a row. Return False where a newer version is stored."""
        ...

    async def delete(self, account: str, version: int) -> bool:
        """Remove a row. Return False where a newer version is stored."""
        ...


class ApiKeys(Protocol):
    """The hashed keys of services."""

    async def get(self, key: str) -> ApiKey | None:
        """Return a key by its id; None where there is none."""
        ...

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, also revoked ones, in order of their ids."""
        ...

    async def put(self, row: ApiKey) -> bool:
        """Write a key. Return False where a newer version is stored."""
        ...

    async def delete(self, key: str, version: int) -> bool:
        """Remove a key. Return False where a newer version is stored. To revoke a key, `put` it with `revoked_ms`."""
        ...
