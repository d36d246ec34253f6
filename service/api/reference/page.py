"""The API reference at /docs: a page that renders the OpenAPI document and loads nothing from other hosts."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).parent / "static"
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'"


@router.get("/docs")
async def page() -> Response:
    """Return the page; its links are relative, so it works behind any path prefix."""
    return _file("reference.html", "text/html")


@router.get("/docs/reference.js")
async def script() -> Response:
    """Return the script that renders the document."""
    return _file("reference.js", "text/javascript")


@router.get("/docs/reference.css")
async def style() -> Response:
    """Return the style sheet."""
    return _file("reference.css", "text/css")


def _file(name: str, media_type: str) -> Response:
    headers = {"Content-Security-Policy": _POLICY}
    return Response((_STATIC / name).read_bytes(), headers=headers, media_type=media_type)
