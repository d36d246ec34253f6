"""Tokens of unsubscribe links (RFC 8058): signed, expiring, for one recipient and type, without personal data.

Those of digests are for all types of a group. Each type has an unsubscribe of its own, whose key cannot be made without
the recipient, and which types the group has is known when the link is used. So the recipient is in it, encrypted.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from service.model.blocks.unsubscribe import unsubscribe_account, unsubscribe_key, unsubscribe_key_of
from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.holds.digest import is_digest
from service.model.ids import address_key
from service.model.signatures import Signer
from service.pipeline.tables.token_cipher import TokenCipher

_DAY_MS = 86_400_000
_TOKEN = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{24})\.([0-9]{1,6})\.([a-z][a-z0-9_]{0,63})\.([0-9a-f]{24})\.[A-Za-z0-9_-]{43}",
    re.ASCII,
)
_DIGEST_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{32,600}+)\.([0-9]{1,6})\.([a-z][a-z0-9_]{0,63})\.([0-9a-f]{24})"
    r"\.[A-Za-z0-9_-]{43}",
    re.ASCII,
)
_LONGEST_RECIPIENT = 600
"""Characters: a line of a header holds 998 octets, the URL before the token included."""


class UnsubscribeTarget(NamedTuple):
    """The content of a token: the `unsubscribe_key` and the notification type."""

    key: str
    type: str


class DigestTarget(NamedTuple):
    """The content of a token of digests: their group, and the recipient, within an account or without one."""

    account: str
    recipient: str
    group: str

    def of_type(self, type_name: str) -> UnsubscribeTarget:
        """Return the target of one of the group's types."""
        return UnsubscribeTarget(unsubscribe_key(self.account, self.recipient, type_name), type_name)


def token_candidates(text: str) -> list[str]:
    """Return the texts that may be tokens; the signature decides."""
    return [match[0] for pattern in (_TOKEN, _DIGEST_TOKEN) for match in pattern.finditer(text)]


class TokenExpired(ValueError):
    """The error of a valid token that has expired."""


class UnsubscribeTokens:
    """Signer and reader of tokens.

    `secrets`: the first one signs and all of them verify, so that a secret can be replaced. A token is valid for
    `days` days. It expires at the end of a whole day, so the same delivery has the same token at every attempt.
    """

    def __init__(self, secrets: Sequence[str], days: int) -> None:
        self._days = days
        self._signer = Signer(secrets, "unsubscribe")
        self._cipher = TokenCipher(secrets, "unsub")
        self._sign = lru_cache(maxsize=20_000)(self._signed)
        self._encrypted = lru_cache(maxsize=20_000)(self._cipher.encrypt)

    def mail_token(self, delivery: Delivery, catalogue: Catalogue) -> str:
        """Return the token for a mail; empty for one that cannot be unsubscribed from."""
        if is_digest(delivery):
            group = delivery.data["group"]
            types = catalogue.digest_groups().get(group, ())
            return self.digest_token(delivery, group) if any(one.unsubscribable for one in types) else ""
        return self.token(delivery) if catalogue[delivery.type].unsubscribable else ""

    def digest_token(self, delivery: Delivery, group: str) -> str:
        """Return the token for the recipient of a digest and the types of its group; empty where it is too long."""
        recipient = self._encrypted((unsubscribe_account(delivery), delivery.recipient))
        if len(recipient) > _LONGEST_RECIPIENT:
            return ""
        until_day = delivery.received_ms // _DAY_MS + self._days
        return self._sign(recipient, until_day, group, address_key(delivery.address))

    def token(self, delivery: Delivery) -> str:
        """Return the token for the recipient and the type of this delivery."""
        return self._sign(
            unsubscribe_key_of(delivery),
            delivery.received_ms // _DAY_MS + self._days,
            delivery.type,
            address_key(delivery.address),
        )

    def read(self, token: str, now_ms: int) -> UnsubscribeTarget | DigestTarget:
        """Return the content of a token. Raise TokenExpired, and ValueError for a token that we did not sign."""
        match = self._verified(token)
        if int(match[2]) * _DAY_MS < now_ms:
            raise TokenExpired("the token has expired")
        if match.re is _TOKEN:
            return UnsubscribeTarget(match[1], match[3])
        account, recipient = self._cipher.decrypt(match[1])
        return DigestTarget(account, recipient, match[3])

    def address_key(self, token: str) -> str:
        """Return the `address_key` of the address that the token was mailed to, even after the token has expired.

        A complaint quotes the link of the message that it is about, which may be an old one. Raise ValueError for a
        token that we did not sign.
        """
        return self._verified(token)[4]

    def _verified(self, token: str) -> re.Match[str]:
        if (match := _TOKEN.fullmatch(token) or _DIGEST_TOKEN.fullmatch(token)) is None:
            raise ValueError("not a token")
        content, _, signature = token.rpartition(".")
        if not self._signer.verify(content.encode(), urlsafe_b64decode(signature + "=")):
            raise ValueError("not a token")
        return match

    def _signed(self, key: str, until_day: int, name: str, address: str) -> str:
        content = f"{key}.{until_day}.{name}.{address}"
        signature = urlsafe_b64encode(self._signer.sign(content.encode())).decode("ascii")
        return f"{content}.{signature.rstrip('=')}"
