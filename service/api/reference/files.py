"""Files of the reference pages: made when they are first requested, kept by browsers, and sent compressed."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from service.api.middleware import CACHED

FOLDER = Path(__file__).parent
_PACKAGED = FOLDER.parent.parent / "_documents" / "asyncapi.json"
ASYNCAPI = _PACKAGED if _PACKAGED.is_file() else FOLDER.parents[2] / "docs" / "events" / "asyncapi.json"
"""The AsyncAPI document: in a wheel, or in a checkout."""


class _Packed(NamedTuple):
    content: bytes
    etag: str


class ReferenceFile:
    """A file, or what is made of it: kept in memory compressed, so that a request by a stranger costs little.

    A `.gz` file is large: it is read for each request, and sent as it is. Every browser accepts that.
    """

    def __init__(
        self,
        path: Path,
        media_type: str,
        made_of: Callable[[bytes], bytes] = bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._is_packed = path.suffix == ".gz"
        self._media_type = media_type
        self._made_of = made_of
        # no-cache: a browser keeps the file, and asks each time whether it has changed.
        self._headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
        self._kept: _Packed | None = None

    async def response(self, request: Request) -> Response:
        """Return the file, or 304 to a browser that has it."""
        request.scope[CACHED] = True
        packed = self._kept
        if packed is None:
            packed = await asyncio.to_thread(self._packed)
        headers = {**self._headers, "ETag": packed.etag}
        if packed.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = packed.content
        if self._is_packed or "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, headers=headers, media_type=self._media_type)

    def _packed(self) -> _Packed:
        content = self._path.read_bytes()
        if not self._is_packed:
            content = gzip.compress(self._made_of(content), mtime=0)
        packed = _Packed(content, f'W/"{sha256(content).hexdigest()[:32]}"')
        if not self._is_packed:
            self._kept = packed
        return packed
