"""Credentials of callers: API keys of services and passwords of accounts. Only hashes are stored."""

import re
import secrets
from collections.abc import Sequence
from hashlib import sha256

from argon2 import PasswordHasher

from service.model.access import SCOPES, Account, ApiKey
from service.pipeline.tables.writer import TableWriter
from service.ports import Clock

_KEY = re.compile(r"tocsin_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def split_key(text: str) -> tuple[str, str] | None:
    """Return the id of an API key and the hash of its secret; None when the text is not an API key."""
    match = _KEY.fullmatch(text)
    return (match[1], _hash(match[2])) if match else None


def looks_like_key(text: str) -> bool:
    """Return whether the text has the prefix of API keys."""
    return text.startswith("tocsin_")


def check_scopes(scopes: Sequence[str]) -> None:
    """Raise ValueError for an unknown scope."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ValueError(f"no such scope: {', '.join(unknown)}; there are {', '.join(SCOPES)}")


async def create_key(
    writer: TableWriter, clock: Clock, name: str, scopes: Sequence[str]
) -> tuple[ApiKey, str]:
    """Create an API key; return its row and its text, which is shown once and not stored.

    Raise ValueError for an unknown scope.
    """
    check_scopes(scopes)
    key, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = ApiKey(id=key, name=name, scopes=tuple(scopes), hash=_hash(secret), created_ms=clock.now_ms())
    return await writer.api_key(key, lambda _: row), f"tocsin_{key}_{secret}"


async def revoke_key(writer: TableWriter, clock: Clock, key: str) -> ApiKey:
    """Revoke an API key. Raise KeyError when there is none with this id."""

    def revoke(current: ApiKey | None) -> ApiKey:
        if current is None:
            raise KeyError(key)
        return current.model_copy(update={"revoked_ms": current.revoked_ms or clock.now_ms()})

    return await writer.api_key(key, revoke)


async def set_password(writer: TableWriter, account: str, password: str) -> Account:
    """Set an account's password instead of the one before."""
    return await writer.account(account, PasswordHasher().hash(password))


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
