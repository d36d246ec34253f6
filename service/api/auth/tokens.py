"""Bearer JWTs (RFC 7519, RFC 8725) of the issuer, and inbox tokens of our own.

Algorithms are pinned by the settings, audience and expiry required.
"""

import secrets
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import jwt

from service.api.auth.inbox_tokens import TYPE as INBOX_TYPE
from service.api.auth.inbox_tokens import InboxTokens
from service.api.auth.jwks import Jwks
from service.api.auth.principal import BadCredential, Principal, PrincipalKind
from service.model.access import scopes_of
from service.settings import DEV_SECRET, Settings

_MAX_CHARACTERS = 8192
_MIN_SECRET_CHARACTERS = 32
_CACHE_S = 30.0
_CACHE_SIZE = 10_000
_NOT_VALID = "the token is not valid"
_BAD_ALGORITHM = "the token's signing algorithm is not accepted"


_LATEST_S = 253_402_300_799
"""The last second of 9999, after which no calendar has a date: a greater number is in milliseconds."""


def _is_date(value: object) -> bool:
    """Return whether a claim is a NumericDate (RFC 7519, section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= _LATEST_S


class Tokens:
    """The verifier of JWTs: HS256 only by the shared secret, RS256 and ES256 only by the issuer's keys.

    `inbox` signs the tokens of our own, and verifies them.
    """

    def __init__(self, settings: Settings, jwks: Jwks | None = None) -> None:
        """Raise ValueError for a public or short secret, for a bad JWKS URL, and where no token can be accepted."""
        auth = settings.auth
        named = [
            ("TOCSIN_AUTH__SECRET", auth.secret.get_secret_value()),
            *(("TOCSIN_AUTH__EARLIER_SECRETS", one.get_secret_value()) for one in auth.earlier_secrets),
            *(("TOCSIN_AUTH__TOKEN_SECRETS", one) for one in auth.inbox_token_secrets),
        ]
        for name, value in named:
            if settings.mode != "dev" and value == DEV_SECRET:
                raise ValueError(f"{name} is the secret of `tocsin dev`, which is public; set another")
            if value and len(value) < _MIN_SECRET_CHARACTERS:
                raise ValueError(
                    f"{name} must have at least {_MIN_SECRET_CHARACTERS} characters (RFC 7518, 3.2)"
                )
        self.inbox = InboxTokens(auth.inbox_token_secrets)
        self._algorithms = frozenset(auth.accepted_algorithms)
        if settings.mode != "dev" and not self._algorithms:
            accepted = f", for {' and '.join(auth.algorithms)}" if auth.algorithms else ""
            raise ValueError(
                "no caller can sign in to the API: set TOCSIN_AUTH__SECRET (HS256) or TOCSIN_AUTH__JWKS_URL "
                f"(RS256, ES256){accepted}"
            )
        self._jwks = jwks or (Jwks(auth.jwks_url, stale_s=auth.jwks_stale) if auth.jwks_url else None)
        self._secrets = auth.shared_secrets
        self._audience = auth.audience
        self._skew = auth.skew
        self._verified: dict[bytes, tuple[Principal, float]] = {}
        self._hash_key = secrets.token_bytes(32)

    async def principal(self, token: str) -> Principal:
        """Return the recipient that a token names, with its scopes. Raise BadCredential or Unavailable.

        A verified token is cached under a hash with a key of this process, because verifying costs as much as the rest
        of a small request: until it expires, and for half a minute only where the issuer can revoke its key.
        """
        now, fingerprint = time.time(), self._fingerprint(token)
        cached = self._verified.get(fingerprint)
        if cached is not None and cached[1] > now:
            return cached[0]
        principal = await self._verify(token)
        if len(self._verified) >= _CACHE_SIZE:
            self._verified.clear()
        until = principal.until if self._jwks is None else min(now + _CACHE_S, principal.until)
        self._verified[fingerprint] = (principal, until)
        return principal

    def _fingerprint(self, token: str) -> bytes:
        return blake2b(token.encode(errors="surrogatepass"), key=self._hash_key, digest_size=16).digest()

    async def _verify(self, token: str) -> Principal:
        try:
            claims = await self._claims(token)
        except jwt.ExpiredSignatureError:
            raise BadCredential("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise BadCredential("the token is for another audience") from None
        except jwt.MissingRequiredClaimError as error:
            raise BadCredential(f"the token has no {error.claim} claim") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise BadCredential(_NOT_VALID) from None
        subject, scope = claims["sub"], claims.get("scope", "")
        if not isinstance(subject, str) or not 0 < len(subject) <= 128 or not subject.isprintable():
            raise BadCredential("the token's sub claim is not a recipient id")
        if not isinstance(scope, str):
            raise BadCredential("the token's scope claim is not a string")
        return Principal(PrincipalKind.recipient, subject, scopes_of(scope.split()), float(claims["exp"]))

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_CHARACTERS:
            raise BadCredential("the token is too long")
        header = jwt.get_unverified_header(token)
        if header.get("typ") == INBOX_TYPE:
            return self.inbox.claims(token, str(header.get("kid", "")))
        algorithm = header.get("alg")
        if algorithm not in self._algorithms or header.get("crit"):
            raise BadCredential(_BAD_ALGORITHM)
        keys = await self._keys(str(header.get("kid", "")), str(algorithm))
        claims = self._decoded(token, keys, str(algorithm))
        for name in ("exp", "nbf", "iat"):
            if not _is_date(claims.get(name, 0)):
                raise BadCredential(f"the token's {name} claim is not a number of seconds")
        return claims

    def _decoded(self, token: str, keys: Sequence[Any], algorithm: str) -> dict[str, Any]:
        """Return the claims of a token that one of the keys has signed. Raise jwt.PyJWTError."""
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._audience,
                    leeway=self._skew,
                    options={"require": ["exp", "aud", "sub"], "verify_sub": False},
                )
            except jwt.InvalidSignatureError:
                continue
            return claims
        raise jwt.InvalidSignatureError

    async def _keys(self, key_id: str, algorithm: str) -> Sequence[Any]:
        """Return the keys that may have signed a token, at least one. Raise BadCredential or Unavailable."""
        if algorithm == "HS256" and self._secrets:
            return self._secrets
        if algorithm == "HS256" or self._jwks is None:
            raise BadCredential(_BAD_ALGORITHM)
        return [await self._jwks.key(key_id, algorithm)]
