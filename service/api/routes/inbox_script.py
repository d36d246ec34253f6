"""The inbox for browsers: the script that `make client` builds from clients/inbox, under an address that never changes.

Everything here is public: a page of any origin may load it.
"""

import gzip
import re
from functools import cache
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.errors import not_found
from service.api.middleware import CACHED, PUBLIC

router = APIRouter(prefix="/assets/inbox", include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "assets"
_NAME = "tocsin-inbox.js"
_FOREVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,40}-[0-9a-f]{8}")


@router.get("/manifest.json")
async def manifest(request: Request) -> Response:
    """Return the version of the script, its address, and its hashes for `integrity`."""
    return Response(_manifest(), headers=_headers(request, _SHORT), media_type="application/json")


@router.get(f"/{_NAME}")
async def current(request: Request) -> Response:
    """Redirect to the script of this version."""
    return _redirect(request, f"./{_path()}")


@router.get(f"/{{version}}/{_NAME}")
async def script(version: str, request: Request) -> Response:
    """Return the script; redirect from another version, which a page or a replica of another version may name."""
    if f"{version}/{_NAME}" != _path():
        if not _VERSION.fullmatch(version):
            raise not_found("script")
        return _redirect(request, f"../{_path()}")
    plain, compressed = _script()
    is_compressed = _accepts_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{version}{"-gzip" if is_compressed else ""}"'
    headers = {**_headers(request, _FOREVER), "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in re.split(r",\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=304, headers=headers)
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(compressed if is_compressed else plain, headers=headers, media_type="text/javascript")


@cache
def _manifest() -> bytes:
    return (FOLDER / "manifest.json").read_bytes()


@cache
def _path() -> str:
    """Return the address of the script below that of the manifest."""
    path: str = orjson.loads(_manifest())["path"]
    return path


@cache
def _script() -> tuple[bytes, bytes]:
    """Return the script, plain and compressed."""
    plain = (FOLDER / _NAME).read_bytes()
    return plain, gzip.compress(plain, mtime=0)


def _redirect(request: Request, location: str) -> Response:
    """Return a redirect to an address that is relative, so that it works behind any path prefix."""
    return Response(status_code=302, headers={**_headers(request, _SHORT), "Location": location})


def _headers(request: Request, cache_control: str) -> dict[str, str]:
    """Return the headers of a response that any page may read, and caches may keep."""
    request.scope[CACHED] = request.scope[PUBLIC] = True
    return {
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": cache_control,
    }


def _accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False
