"""Values in tokens that only we can read: encrypted, because the id of a person may be a name.

AES-SIV (RFC 5297) gives the same text for the same value, so every attempt of a delivery is the same bytes.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV


class TokenCipher:
    """Encryption of values as text of letters, digits, `-` and `_`.

    `secrets`: the first one encrypts and all of them decrypt, so that a secret can be replaced. `purpose` (16 bytes at
    most) keeps values of one kind from being read as those of another.
    """

    def __init__(self, secrets: Sequence[str], purpose: bytes) -> None:
        self._ciphers = [
            AESSIV(blake2b(secret.encode(), digest_size=64, person=purpose).digest()) for secret in secrets
        ]

    def encrypt(self, value: Any) -> str:
        """Return a value, which JSON can hold, as text."""
        content = self._ciphers[0].encrypt(orjson.dumps(value), None)
        return urlsafe_b64encode(content).decode("ascii").rstrip("=")

    def decrypt(self, text: str) -> Any:
        """Return the value of a text, which is ASCII. Raise ValueError for one that we did not make."""
        try:
            content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            raise ValueError("not a token") from None
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return orjson.loads(cipher.decrypt(content, None))
        raise ValueError("not a token")
