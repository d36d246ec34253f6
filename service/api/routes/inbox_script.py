"""The inbox for browsers: the script that `make client` builds from clients/inbox, under an address that never changes.

Everything here is public: a page of any origin may load it.
"""

import re
from functools import cache
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.errors import not_found
from service.api.representations.static_file import FOREVER, StaticFile, make_public

router = APIRouter(prefix="/assets/inbox", include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "assets"
_NAME = "tocsin-inbox.js"
_SHORT = {"Cache-Control": "public, max-age=300"}
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,40}-[0-9a-f]{8}")
_SCRIPT = StaticFile(FOLDER / _NAME, "text/javascript", cache_control=FOREVER)


@router.get("/manifest.json")
async def manifest(request: Request) -> Response:
    """Return the version of the script, its address, and its hashes for `integrity`."""
    headers = {**make_public(request), **_SHORT}
    return Response(_manifest(), headers=headers, media_type="application/json")


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
    response = await _SCRIPT.response(request)
    response.headers.update(make_public(request))
    return response


@cache
def _manifest() -> bytes:
    return (FOLDER / "manifest.json").read_bytes()


@cache
def _path() -> str:
    """Return the address of the script below that of the manifest."""
    path: str = orjson.loads(_manifest())["path"]
    return path


def _redirect(request: Request, location: str) -> Response:
    """Return a redirect to an address that is relative, so that it works behind any path prefix."""
    headers = {**make_public(request), **_SHORT, "Location": location}
    return Response(status_code=302, headers=headers)
