"""Files of the product that browsers keep: made when they are first requested, and sent compressed."""

import asyncio
import gzip
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from service.api.middleware import CACHED, PUBLIC
from service.api.representations.etag import etag_of, is_not_modified

REVALIDATED = "no-cache"
"""Cache-Control of a file whose address stays: a browser keeps it, and asks each time whether it has changed."""
FOREVER = "public, max-age=31536000, immutable"
"""Cache-Control of a file whose address names its content."""
_PUBLIC_HEADERS = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_HASH_CHARACTERS = 32


class _Packed(NamedTuple):
    content: bytes
    hash: str


class StaticFile:
    """A file, or what is made of it: kept in memory compressed, so that a request by a stranger costs little.

    A `.gz` file is large: it is read for each request, and sent as it is. Every browser accepts that.
    """

    def __init__(
        self,
        path: Path,
        media_type: str,
        made_of: Callable[[bytes], bytes] = bytes,
        headers: Mapping[str, str] | None = None,
        *,
        cache_control: str = REVALIDATED,
    ) -> None:
        self._path = path
        self._is_packed = path.suffix == ".gz"
        self._media_type = media_type
        self._made_of = made_of
        self._headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding", **(headers or {})}
        self._kept: _Packed | None = None

    async def response(self, request: Request) -> Response:
        """Return the file, or 304 to a browser that has it in the same form."""
        request.scope[CACHED] = True
        packed = self._kept
        if packed is None:
            packed = await asyncio.to_thread(self._packed)
        is_compressed = self._is_packed or accepts_gzip(request.headers.get("accept-encoding", ""))
        tag = f"{packed.hash}{'-gzip' if is_compressed else ''}"
        headers = {**self._headers, "ETag": etag_of(tag)}
        if is_not_modified(request, tag):
            return Response(status_code=304, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        content = packed.content if is_compressed else gzip.decompress(packed.content)
        return Response(content, headers=headers, media_type=self._media_type)

    def _packed(self) -> _Packed:
        content = self._path.read_bytes()
        if not self._is_packed:
            content = gzip.compress(self._made_of(content), mtime=0)
        packed = _Packed(content, sha256(content).hexdigest()[:_HASH_CHARACTERS])
        if not self._is_packed:
            self._kept = packed
        return packed


def make_public(request: Request) -> Mapping[str, str]:
    """Exempt the response to a request from the API's own rules on caches and origins; return headers instead.

    They let pages of any origin read it. How long it may be kept is the caller's to say.
    """
    request.scope[CACHED] = request.scope[PUBLIC] = True
    return _PUBLIC_HEADERS


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False
