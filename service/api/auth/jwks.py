"""The token issuer's public keys: a JWK Set (RFC 7517), cached, and fetched again when a token names an unknown key.

The issuer revokes a key by leaving it out of the set, and all keys by an empty set: a set that was fetched replaces the
one before, whatever it holds. What is not a set changes nothing, like a fetch that fails.
"""

import asyncio
import http.client
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
import orjson
import structlog

from service.api.auth.principal import BadCredential
from service.ports import Unavailable

log = structlog.get_logger(__name__)

_MAX_AGE_S = 300.0
_MIN_INTERVAL_S = 10.0  # callers can invent key ids, so an unknown id must not cost a fetch each time
_TIMEOUT_S = 5.0  # of one read
_LONGEST_S = 10.0  # of the whole fetch: an issuer may send a byte now and then
_MAX_BYTES = 512 * 1024
_MIN_RSA_BITS = 2048  # RFC 7518, section 3.3
_NEVER = float("-inf")


def fetch(url: str) -> bytes:
    """Return the document at the URL. Raise OSError, or ValueError when it is too large."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the scheme is checked below
        body: bytes = response.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise ValueError("the key set is too large")
    return body


class Jwks:
    """The issuer's keys by id.

    A set is fetched again after five minutes, and when a token names a key that it does not have. One that cannot be
    fetched again stays in use for `stale_s` seconds, so that tokens signed with a known key work during an outage of
    the issuer, but a revoked key does not work for ever.
    """

    def __init__(
        self,
        url: str,
        get: Callable[[str], bytes] = fetch,
        now: Callable[[], float] = time.monotonic,
        *,
        stale_s: float = 3600.0,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("TOCSIN_AUTH__JWKS_URL must be an http(s) URL")
        self._url = url
        self._get = get
        self._now = now
        self._stale_s = max(stale_s, _MAX_AGE_S)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._attempted_at = _NEVER
        self._lock = asyncio.Lock()

    async def key(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        """Return the key of that id, if it is for that algorithm. Raise BadCredential or Unavailable."""
        if self._now() - self._fetched_at > _MAX_AGE_S or key_id not in self._keys:
            await self._refresh(key_id)
        key = self._keys.get(key_id)
        if key is None or key.algorithm_name != algorithm:
            raise BadCredential("the token is signed with a key that is not known")
        return key

    async def _refresh(self, key_id: str) -> None:
        requested_at = self._now()
        async with self._lock:
            if self._fetched_at >= requested_at and key_id in self._keys:
                return  # another request fetched it while this one waited for the lock
            if self._now() - self._attempted_at > _MIN_INTERVAL_S:
                # Before the fetch, so that waiting requests do not each fetch from a failing issuer.
                self._attempted_at = self._now()
                await self._fetch()
        if self._now() - self._fetched_at > self._stale_s:
            raise Unavailable("the key set of the token issuer cannot be fetched")

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST_S):
                keys = _signature_keys(await asyncio.to_thread(self._get, self._url))
        except (OSError, ValueError, TimeoutError, http.client.HTTPException) as error:
            log.warning("jwks_fetch_failed", error=type(error).__name__)
            return
        if revoked := self._keys.keys() - keys.keys():
            log.info("jwks_keys_revoked", keys=sorted(revoked), left=len(keys))
        self._keys = keys
        self._fetched_at = self._now()


def _signature_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWK Set that verify signatures, by id. Raise ValueError for anything but a set.

    Keys of unknown types, and those without an id, are left out (RFC 7517, section 5).
    """
    jwk_set = orjson.loads(document)
    if not isinstance(jwk_set, dict) or not isinstance(jwk_set.get("keys"), list):
        raise ValueError("not a JWK Set")
    keys: dict[str, jwt.PyJWK] = {}
    for fields in jwk_set["keys"]:
        try:
            key = jwt.PyJWK(fields)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            continue
        if isinstance(key.key_id, str) and key.key_id and _verifies(key, fields):
            keys[key.key_id] = key
    return keys


def _verifies(key: jwt.PyJWK, fields: Mapping[str, Any]) -> bool:
    """Return whether a key is for signatures (RFC 7517, sections 4.2 and 4.3), public, and long enough.

    A private key in a public set is nobody's secret any more.
    """
    if key.key_type == "RSA" and key.key.key_size < _MIN_RSA_BITS:
        return False
    operations = fields.get("key_ops", ["verify"])
    for_signatures = key.public_key_use in (None, "sig") and isinstance(operations, list)
    return for_signatures and "verify" in operations and "d" not in fields
