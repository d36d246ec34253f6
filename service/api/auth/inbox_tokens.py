"""Short-lived tokens for one inbox, which an app's own server asks for and gives to its pages (RFC 7519).

They are signed here, so that no app needs a key that signs for everybody's inbox.
"""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Any

import jwt

from service.model.signatures import signing_key

TYPE = "tocsin-inbox+jwt"
"""The `typ` of their header, which tells them from tokens of the issuer (RFC 8725, section 3.11)."""
SCOPE = "inbox"
_AUDIENCE = "tocsin-inbox"
_ALGORITHM = "HS256"


class InboxTokens:
    """Signer and reader of tokens. `secrets`: the first one signs and all of them verify; with none, no token is valid.

    The keys are derived, so that no other token signed with the same secret is one of these.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        keys = [signing_key(secret, "inbox token") for secret in secrets]
        self._keys = {sha256(key).hexdigest()[:16]: key for key in keys}

    def token(self, recipient: str, now_s: int, lifetime_s: int) -> str:
        """Return a token for a recipient's inbox. Raise ValueError without a secret."""
        if not self._keys:
            raise ValueError("no secret for inbox tokens is set")
        key_id, key = next(iter(self._keys.items()))
        claims = {
            "sub": recipient,
            "aud": _AUDIENCE,
            "iat": now_s,
            "exp": now_s + lifetime_s,
            "jti": token_hex(8),
            "scope": SCOPE,
        }
        return jwt.encode(claims, key, _ALGORITHM, {"typ": TYPE, "kid": key_id})

    def claims(self, token: str, key_id: str) -> dict[str, Any]:
        """Return the claims of a token. Raise jwt.PyJWTError, also where the key is not known."""
        key = self._keys.get(key_id)
        if key is None:
            raise jwt.InvalidKeyError("the key is not known")
        claims: dict[str, Any] = jwt.decode(
            token, key, [_ALGORITHM], audience=_AUDIENCE, options={"require": ["exp", "sub"]}
        )
        return claims
