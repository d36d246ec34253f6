"""Tokens of links to a person's preferences, in the footer of their mail: encrypted, expiring, for that person alone.

The person's id is in the token, and so has to be encrypted: an id may be a name. AES-SIV (RFC 5297) gives the same
token for the same person and day, so every attempt of a delivery is the same bytes.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.model.delivery import Delivery
from service.pipeline.tables.preference_centre import PreferenceOwner
from service.pipeline.tables.unsubscribe_tokens import TokenExpired

_DAY_MS = 86_400_000
_LONGEST = 2000


class PreferenceTokens:
    """Maker and reader of tokens.

    `secrets`: the first one encrypts and all of them decrypt, so that a secret can be replaced. A token is valid until
    the end of the day, `days` days after the event.
    """

    def __init__(self, secrets: Sequence[str], days: int) -> None:
        if not secrets or not all(secrets):
            raise ValueError("preference tokens need a secret")
        self._days = days
        self._ciphers = [
            AESSIV(blake2b(secret.encode(), digest_size=64, person=b"tocsin-prefs").digest())
            for secret in secrets
        ]
        self._encrypt = lru_cache(maxsize=20_000)(self._encrypted)

    def token(self, delivery: Delivery) -> str:
        """Return the token of the person that this delivery is for."""
        return self.token_of(PreferenceOwner.of(delivery), delivery.received_ms)

    def token_of(self, owner: PreferenceOwner, at_ms: int) -> str:
        """Return the token of a person, valid from this time on."""
        return self._encrypt(owner, at_ms // _DAY_MS + self._days)

    def read(self, token: str, now_ms: int) -> PreferenceOwner:
        """Return the person of a token. Raise TokenExpired, and ValueError for a token that we did not make."""
        if len(token) > _LONGEST or not token.isascii():
            raise ValueError("not a token")
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (Base64Error, ValueError):
            raise ValueError("not a token") from None
        day, *owner = orjson.loads(self._decrypted(sealed))
        if day * _DAY_MS < now_ms:
            raise TokenExpired("the token has expired")
        return PreferenceOwner(*owner)

    def _decrypted(self, sealed: bytes) -> bytes:
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(sealed, None)
        raise ValueError("not a token")

    def _encrypted(self, owner: PreferenceOwner, until_day: int) -> str:
        sealed = self._ciphers[0].encrypt(orjson.dumps((until_day, *owner)), None)
        return urlsafe_b64encode(sealed).decode("ascii").rstrip("=")
