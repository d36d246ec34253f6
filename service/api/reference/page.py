"""The reference pages at /docs: the OpenAPI document, rendered by Scalar, and the AsyncAPI document.

Nothing is loaded from other hosts.

Scalar rather than RapiDoc, for five times the size: headings and a menu that work by keyboard and at 360 px, and
releases every month.
"""

from dataclasses import asdict
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.auth.dev_token import dev_token
from service.api.deps import Deps
from service.api.reference.events_page import EventsPage
from service.api.representations.static_file import StaticFile
from service.pages.shell import OWN_BRAND

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent
_PACKAGED = _FOLDER.parents[1] / "_documents" / "asyncapi.json"
_DOCUMENT = _PACKAGED if _PACKAGED.is_file() else _FOLDER.parents[2] / "docs" / "events" / "asyncapi.json"
"""The AsyncAPI document: in a wheel, or in a checkout."""
_PAGE = _FOLDER / "static" / "reference.html"
_CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_POLICY = (
    # Styles: Scalar inserts its style sheet as an element, and positions and sizes as attributes.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    f"img-src 'self' data:; {_CLOSED}"
)
_POLICY_OF_EVENTS = f"default-src 'none'; style-src 'self'; img-src data:; {_CLOSED}"


def _events_html(document: bytes) -> bytes:
    return EventsPage(orjson.loads(document)).html().encode()


def _with_palette(style: bytes) -> bytes:
    """Return a style sheet behind the colours of all pages, which follow the scheme that an element is shown in."""
    light, dark = asdict(OWN_BRAND.palette.light), asdict(OWN_BRAND.palette.dark)
    colours = (f"--palette-{n.replace('_', '-')}: light-dark({light[n]}, {dark[n]});" for n in light)
    return f":root {{ {' '.join(colours)} }}\n".encode() + style


_SCALAR = StaticFile(_FOLDER / "vendored" / "scalar.js.gz", "text/javascript")
_SCRIPT = StaticFile(_FOLDER / "static" / "reference.js", "text/javascript")
_STYLE = StaticFile(_FOLDER / "static" / "reference.css", "text/css", _with_palette)
_ASYNCAPI = StaticFile(_DOCUMENT, "application/json")
_EVENTS = StaticFile(_DOCUMENT, "text/html", _events_html, {"Content-Security-Policy": _POLICY_OF_EVENTS})


@router.get("/docs")
async def page(deps: Deps) -> Response:
    """Return the page; its links are relative, so it works behind any path prefix."""
    token = dev_token(deps.settings)
    attribute = f' data-dev-token="{token}"' if token else ""
    text = _PAGE.read_text("utf-8").replace("{dev_token}", attribute)
    return Response(text, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")


@router.get("/docs/scalar.js")
async def scalar(request: Request) -> Response:
    """Return the program that renders the document."""
    return await _SCALAR.response(request)


@router.get("/docs/reference.js")
async def script(request: Request) -> Response:
    """Return the script that configures it."""
    return await _SCRIPT.response(request)


@router.get("/docs/reference.css")
async def style(request: Request) -> Response:
    """Return the style sheet."""
    return await _STYLE.response(request)


@router.get("/docs/events")
async def events(request: Request) -> Response:
    """Return the page of topics and records."""
    return await _EVENTS.response(request)


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> Response:
    """Return the AsyncAPI document."""
    return await _ASYNCAPI.response(request)
