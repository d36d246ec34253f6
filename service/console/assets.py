"""Scripts and styles of the console. Their address names their content, so that a browser keeps them for ever."""

from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.errors import not_found
from service.api.representations.static_file import FOREVER, REVALIDATED, StaticFile
from service.pages.shell import BASE_STYLE, OWN_BRAND, brand_style

router = APIRouter(prefix="/console/assets", include_in_schema=False)

_FOLDER = Path(__file__).parent
_VENDORED = ("htmx.js", "uplot.js", "uplot.css")
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def _with_palette(style: bytes) -> bytes:
    """Return the style sheet behind the colours and the base of all pages."""
    return (brand_style(OWN_BRAND.palette) + BASE_STYLE).encode() + style


@cache
def _sources() -> dict[str, Path]:
    own = {path.name: path for path in (_FOLDER / "static").iterdir()}
    return own | {name: _FOLDER / "vendored" / f"{name}.gz" for name in _VENDORED}


@cache
def bundle() -> str:
    """Return the hash of all files together: modules import each other by name, so they change together."""
    palette = repr((asdict(OWN_BRAND.palette), BASE_STYLE)).encode()
    contents = (name.encode() + path.read_bytes() for name, path in sorted(_sources().items()))
    return sha256(palette + b"\0".join(contents)).hexdigest()[:16]


def asset_path(name: str) -> str:
    """Return the path of a file. Raise KeyError for a file that there is none of."""
    return f"/console/assets/{bundle()}/{_sources()[name].name.removesuffix('.gz')}"


@cache
def _file(name: str, cache_control: str) -> StaticFile:
    path = _sources()[name]
    made_of = _with_palette if name == "console.css" else bytes
    return StaticFile(path, _MEDIA_TYPES[Path(name).suffix], made_of, cache_control=cache_control)


@router.get("/{version}/{name}")
async def asset(version: str, name: str, request: Request) -> Response:
    """Return a file; one that a page of another version names is not kept."""
    if name not in _sources():
        raise not_found("file")
    return await _file(name, FOREVER if version == bundle() else REVALIDATED).response(request)
