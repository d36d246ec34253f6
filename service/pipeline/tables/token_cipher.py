"""Values in tokens that only we can read: encrypted, because the id of a person may be a name.

AES-SIV (RFC 5297) gives the same text for the same value, so every attempt of a delivery is the same bytes.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.model.signatures import encryption_key


class TokenCipher:
    """Encryption of values as text of letters, digits, `-` and `_`.

    `secrets`: the first one encrypts and all of them decrypt, so that a secret can be replaced. `purpose` keeps values
    of one kind from being read as those of another, and so does `label`, which is authenticated with each.
    """

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        self._ciphers = [AESSIV(encryption_key(secret, purpose)) for secret in secrets]

    def encrypt(self, value: Any, label: str = "") -> str:
        """Return a value, which JSON can hold, as text."""
        content = self._ciphers[0].encrypt(orjson.dumps(value), _associated(label))
        return urlsafe_b64encode(content).decode("ascii").rstrip("=")

    def decrypt(self, text: str, label: str = "") -> Any:
        """Return the value of a text, which is ASCII. Raise ValueError for one that we did not make."""
        try:
            content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            raise ValueError("not a token") from None
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return orjson.loads(cipher.decrypt(content, _associated(label)))
        raise ValueError("not a token")


def _associated(label: str) -> list[bytes] | None:
    return [label.encode()] if label else None
