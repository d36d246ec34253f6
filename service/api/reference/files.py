"""Files of the reference pages: read when they are requested, kept by browsers, and sent compressed."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from service.api.middleware import CACHED

_SMALL_BYTES = 4096
FOLDER = Path(__file__).parent
_PACKAGED = FOLDER.parent.parent / "_documents" / "asyncapi.json"
ASYNCAPI = _PACKAGED if _PACKAGED.is_file() else FOLDER.parents[2] / "docs" / "events" / "asyncapi.json"
"""The AsyncAPI document: in a wheel, or in a checkout."""


class ReferenceFile:
    """A file, or what is made of it. A file that ends with `.gz` is sent as it is."""

    def __init__(
        self,
        path: Path,
        media_type: str,
        made_of: Callable[[bytes], bytes] = bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._media_type = media_type
        self._made_of = made_of
        # no-cache: a browser keeps the file, and asks each time whether it has changed.
        self._headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}

    async def response(self, request: Request) -> Response:
        """Return the file, or 304 to a browser that has it."""
        request.scope[CACHED] = True
        return await asyncio.to_thread(self._response, request)

    def _response(self, request: Request) -> Response:
        content = self._made_of(self._path.read_bytes())
        headers = {**self._headers, "ETag": f'W/"{sha256(content).hexdigest()[:32]}"'}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        accepts_gzip = "gzip" in request.headers.get("accept-encoding", "")
        if self._path.suffix == ".gz":
            content = content if accepts_gzip else gzip.decompress(content)
        else:
            accepts_gzip &= len(content) > _SMALL_BYTES
            content = gzip.compress(content, 6, mtime=0) if accepts_gzip else content
        if accepts_gzip:
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=self._media_type)
