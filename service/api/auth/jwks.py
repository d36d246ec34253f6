"""The token issuer's public keys: a JWK Set (RFC 7517), kept for a while, fetched again when keys rotate."""

import asyncio
import logging
import time
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import jwt
import orjson

from service.api.auth.principal import BadCredential
from service.ports import Unavailable

log = logging.getLogger(__name__)

_FRESH_S = 300.0
_REFETCH_S = 10.0  # unknown key ids are free to invent, so they may not cost a fetch each
_TIMEOUT_S = 5.0
_MAX_BYTES = 512 * 1024


def fetch(url: str) -> bytes:
    """The document behind the URL. Raises OSError or ValueError."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked below
        body: bytes = answer.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise ValueError("the key set is too large")
    return body


class Jwks:
    """Keys by id.

    A key set that cannot be fetched again stays in use: an issuer's outage locks nobody out.
    """

    def __init__(
        self, url: str, get: Callable[[str], bytes] = fetch, now: Callable[[], float] = time.monotonic
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("TOCSIN_AUTH__JWKS_URL must be an http(s) URL")
        self._url = url
        self._get = get
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        """The key of that id, if it is for that algorithm. Raises BadCredential, Unavailable."""
        if self._now() - self._fetched > _FRESH_S or key_id not in self._keys:
            await self._refresh(key_id)
        key = self._keys.get(key_id)
        if key is None or key.algorithm_name != algorithm:
            raise BadCredential("the token is signed with a key that is not known")
        return key

    async def _refresh(self, key_id: str) -> None:
        asked = self._now()
        async with self._lock:
            if self._fetched >= asked and key_id in self._keys:
                return
            if self._now() - self._tried > _REFETCH_S:
                self._tried = self._now()
                await self._fetch()
        if self._fetched == float("-inf"):
            raise Unavailable("the key set of the token issuer cannot be fetched")

    async def _fetch(self) -> None:
        try:
            document = orjson.loads(await asyncio.to_thread(self._get, self._url))
            keys = jwt.PyJWKSet.from_dict(document).keys
        except (OSError, ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
            log.warning("the key set of the token issuer cannot be fetched: %s", type(error).__name__)
            return
        self._keys = {key.key_id: key for key in keys if key.key_id and key.public_key_use in (None, "sig")}
        self._fetched = self._now()
