"""Tokens of unsubscribe links (RFC 8058): signed, expiring, for one recipient and type, without personal data."""

import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm

from service.model.delivery import Delivery
from service.model.unsubscribe import unsubscribe_key_of

_DAY_MS = 86_400_000
_TOKEN = re.compile(r"([0-9a-f]{24})\.([0-9]{1,6})\.([a-z][a-z0-9_]{0,63})\.[A-Za-z0-9_-]{43}", re.ASCII)


class UnsubscribeTarget(NamedTuple):
    """The content of a token: the `unsubscribe_key` and the notification type."""

    key: str
    type: str


class TokenExpired(ValueError):
    """The error of a valid token that has expired."""


class _HmacSha256(SigningAlgorithm):
    """HMAC-SHA256 in one call, in place of itsdangerous' own algorithm."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the HMAC (RFC 2104)."""
        return hmac.digest(key, value, "sha256")


class UnsubscribeTokens:
    """Signer and reader of tokens.

    `secrets`: the first one signs and all of them verify, so that a secret can be replaced. A token is valid for
    `days` days. It expires at the end of a whole day, so the same delivery has the same token at every attempt. The
    signing keys are derived once, not per token: signing costs about 4 µs.
    """

    def __init__(self, secrets: Sequence[str], days: int) -> None:
        if not secrets or not all(secrets):
            raise ValueError("unsubscribe tokens need a secret")
        self._days = days
        keys = [sha256(b"tocsin unsubscribe\0" + secret.encode()).digest() for secret in reversed(secrets)]
        self._signer = Signer(keys, sep=".", key_derivation="none", algorithm=_HmacSha256())
        self._sign = lru_cache(maxsize=20_000)(self._signed)

    def token(self, delivery: Delivery) -> str:
        """Return the token for the recipient and the type of this delivery."""
        return self._sign(
            unsubscribe_key_of(delivery), delivery.received_ms // _DAY_MS + self._days, delivery.type
        )

    def read(self, token: str, now_ms: int) -> UnsubscribeTarget:
        """Return the content of a token. Raise TokenExpired, and ValueError for a token that we did not sign."""
        if (match := _TOKEN.fullmatch(token)) is None:
            raise ValueError("not a token")
        try:
            self._signer.unsign(token)
        except BadSignature:
            raise ValueError("not a token") from None
        if int(match[2]) * _DAY_MS < now_ms:
            raise TokenExpired("the token has expired")
        return UnsubscribeTarget(match[1], match[3])

    def _signed(self, key: str, until_day: int, type_name: str) -> str:
        return self._signer.sign(f"{key}.{until_day}.{type_name}".encode()).decode("ascii")
