"""Tokens of links to a person's preferences, in the footer of their mail: encrypted, expiring, for that person alone.

The person's id is in the token, and so is encrypted. The token is the same for the same person and day.
"""

from collections.abc import Sequence
from functools import lru_cache

from service.model.delivery import Delivery
from service.pipeline.tables.preference_centre import PreferenceOwner
from service.pipeline.tables.token_cipher import TokenCipher
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
        self._cipher = TokenCipher(secrets, "prefs")
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
        day, *owner = self._cipher.decrypt(token)
        if day * _DAY_MS < now_ms:
            raise TokenExpired("the token has expired")
        return PreferenceOwner(*owner)

    def _encrypted(self, owner: PreferenceOwner, until_day: int) -> str:
        return self._cipher.encrypt((until_day, *owner))
