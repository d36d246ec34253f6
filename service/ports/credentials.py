"""Credentials of accounts and services, by id."""

from collections.abc import Sequence
from typing import Protocol

from service.model.access import Account, ApiKey


class Accounts(Protocol):
    """The credentials of accounts."""

    async def get(self, account: str) -> Account | None:
        """An account's row; None where there is none."""
        ...

    async def put(self, row: Account) -> bool:
        """Write a row; False where a newer version stands."""
        ...

    async def delete(self, account: str, version: int) -> bool:
        """Remove a row; False where a newer version stands."""
        ...


class ApiKeys(Protocol):
    """The hashed keys of services."""

    async def get(self, key: str) -> ApiKey | None:
        """A key by its id; None where there is none."""
        ...

    async def all(self) -> Sequence[ApiKey]:
        """Every key, revoked ones too, by id."""
        ...

    async def put(self, row: ApiKey) -> bool:
        """Write a key; False where a newer version stands."""
        ...

    async def delete(self, key: str, version: int) -> bool:
        """Forget a key; False where a newer version stands. Revoking one is a `put`, which says when."""
        ...
