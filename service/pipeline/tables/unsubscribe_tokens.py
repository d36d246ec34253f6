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
from service.model.ids import address_key
from service.model.unsubscribe import unsubscribe_key_of

_DAY_MS = 86_400_000
_TOKEN = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{24})\.([0-9]{1,6})\.([a-z][a-z0-9_]{0,63})\.([0-9a-f]{24})\.[A-Za-z0-9_-]{43}",
    re.ASCII,
)


class UnsubscribeTarget(NamedTuple):
    """The content of a token: the `unsubscribe_key` and the notification type."""

    key: str
    type: str


def token_candidates(text: str) -> list[str]:
    """Return the texts that may be tokens; the signature decides."""
    return [match[0] for match in _TOKEN.finditer(text)]


class TokenExpired(ValueError):
    """The error of a valid token that has expired."""


class _HmacSha256(SigningAlgorithm):
    """HMAC-SHA256 in one call, instead of itsdangerous' own algorithm."""

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
            unsubscribe_key_of(delivery),
            delivery.received_ms // _DAY_MS + self._days,
            delivery.type,
            address_key(delivery.address),
        )

    def read(self, token: str, now_ms: int) -> UnsubscribeTarget:
        """Return the content of a token. Raise TokenExpired, and ValueError for a token that we did not sign."""
        match = self._verified(token)
        if int(match[2]) * _DAY_MS < now_ms:
            raise TokenExpired("the token has expired")
        return UnsubscribeTarget(match[1], match[3])

    def address_key(self, token: str) -> str:
        """Return the `address_key` of the address that the token was mailed to, even after the token has expired.

        A complaint quotes the link of the message that it is about, which may be an old one. Raise ValueError for a
        token that we did not sign.
        """
        return self._verified(token)[4]

    def _verified(self, token: str) -> re.Match[str]:
        if (match := _TOKEN.fullmatch(token)) is None:
            raise ValueError("not a token")
        try:
            self._signer.unsign(token)
        except BadSignature:
            raise ValueError("not a token") from None
        return match

    def _signed(self, key: str, until_day: int, type_name: str, address: str) -> str:
        return self._signer.sign(f"{key}.{until_day}.{type_name}.{address}".encode()).decode("ascii")
