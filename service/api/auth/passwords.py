"""HTTP Basic (RFC 7617) for accounts: argon2id hashes, with a short cache of verified passwords."""

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.api.auth.principal import BadCredential, Principal, PrincipalKind
from service.model.keys import joined_key
from service.ports import Accounts

_CACHE_S = 86_400.0
_MAX_ACCOUNT_CHARACTERS = 128
_CACHE_SIZE = 10_000
_WRONG = "the account or its password is wrong"


class Passwords:
    """The verifier of accounts' passwords.

    A verified password is cached for a day as a keyed hash, under a key of this process. The stored hash is part of
    what is hashed, so a new password is in force at once. A cached password is not verified again, and so not limited:
    a caller who guesses the password of an account cannot lock out those who know it.

    Verifying takes 64 MiB for some 50 ms, so at most two run at a time.
    """

    def __init__(self, accounts: Accounts, now: Callable[[], float] = time.monotonic) -> None:
        self._accounts = accounts
        self._now = now
        self._hasher = PasswordHasher()
        self._secret = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, float] = OrderedDict()
        self._slots = asyncio.Semaphore(2)

    async def principal(self, encoded: str, before_verifying: Callable[[str], Awaitable[None]]) -> Principal:
        """Return the account of a Basic credential.

        `before_verifying` gets the name of the account before each slow hash, and may raise.

        Raise BadCredential or Unavailable.
        """
        account, password = _decode(encoded)
        row = await self._accounts.get(account)
        # An unknown account is verified too, against a dummy hash: a quick answer would reveal which accounts exist.
        stored = row.credential if row else self._dummy_hash
        fingerprint = hmac.digest(self._secret, joined_key(account, stored, password).encode(), "sha256")
        if self._verified.get(fingerprint, 0.0) < self._now():
            await before_verifying(account)
            async with self._slots:
                matches = await asyncio.to_thread(self._verify, stored, password)
            if not matches or row is None:
                raise BadCredential(_WRONG)
            self._remember(fingerprint)
        return Principal(PrincipalKind.account, account, frozenset({"account"}))

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _remember(self, fingerprint: bytes) -> None:
        self._verified[fingerprint] = self._now() + _CACHE_S
        self._verified.move_to_end(fingerprint)
        while len(self._verified) > _CACHE_SIZE:
            self._verified.popitem(last=False)

    @cached_property
    def _dummy_hash(self) -> str:
        """Return the hash of a random password, for accounts that do not exist."""
        return self._hasher.hash(secrets.token_hex(16))


def _decode(encoded: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise BadCredential(_WRONG) from None
    account, colon, password = text.partition(":")
    if not colon or not 0 < len(account) <= _MAX_ACCOUNT_CHARACTERS:
        raise BadCredential(_WRONG)
    return account, password
