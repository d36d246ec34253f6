"""/unsubscribe/{token}: one click in a mail ends that type of mail (RFC 8058), without login; the token is the proof.

GET shows a page and changes nothing, since mail scanners follow links. POST acts.
"""

import logging
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.api.deps import ApiDeps, Deps, doors_of
from service.api.routes.unsubscribe_page import HEADERS, RESUME, STOP, Shown, language, page
from service.pipeline.tables.unsubscribe_tokens import Expired, Link
from service.ports import Unavailable

router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], include_in_schema=False)
log = logging.getLogger(__name__)

_STATUS = {Shown.mandatory: 403, Shown.expired: 410, Shown.invalid: 404, Shown.away: 503}
_MOST_BYTES = 4096


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """A page that asks, or says how it stands."""
    link = _read(token, request, deps)
    if isinstance(link, Shown):
        return _page(link, request, deps)
    shown = _refusal(link, deps)
    if shown is None:
        try:
            stopped = await deps.writer.read_unsubscribe(link.key) is not None
        except Unavailable:
            stopped = False  # asking costs nothing: the answer to POST is what counts
        shown = Shown.done if stopped else Shown.ask
    return _page(shown, request, deps, link)


@router.post("/{token}")
async def act(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Stop the mails, or with the page's other button let them come again. Done twice, it is done once."""
    link = _read(token, request, deps)
    if isinstance(link, Shown):
        return _page(link, request, deps)
    shown, wish = _refusal(link, deps), _wish(request, await request.body())
    if shown is None:
        try:
            if wish == STOP:
                await deps.writer.unsubscribe(link.key, link.type, "the link in a mail")
                shown = Shown.done
            elif wish == RESUME:
                await deps.writer.resubscribe(link.key)
                shown = Shown.back
            else:
                return _page(Shown.ask, request, deps, link, status=400)
        except Unavailable as away:
            log.warning("unavailable: %s", away.reason)
            shown = Shown.away
    return _page(shown, request, deps, link)


def _read(token: str, request: Request, deps: ApiDeps) -> Link | Shown:
    tokens = doors_of(request).unsubscribe
    if tokens is None:
        return Shown.invalid
    try:
        return tokens.read(token, deps.clock.now_ms())
    except Expired:
        return Shown.expired
    except ValueError:
        return Shown.invalid


def _refusal(link: Link, deps: ApiDeps) -> Shown | None:
    row = deps.catalogue.get(link.type)
    return Shown.mandatory if row is not None and row.mandatory else None


def _wish(request: Request, body: bytes) -> tuple[str, str] | None:
    """Which button it was. Mail programs may send the field as a form of either kind (RFC 8058 section 3.1)."""
    body = body[:_MOST_BYTES]
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        found = [value for value in (STOP, RESUME) if f'"{value[0]}"\r\n\r\n{value[1]}\r\n'.encode() in body]
        return found[0] if found else None
    try:
        values = parse_qs(body.decode("ascii"), max_num_fields=10).get(STOP[0], [])
    except ValueError:
        return None
    return next((wish for wish in (STOP, RESUME) if wish[1] in values), None)


def _page(
    shown: Shown, request: Request, deps: ApiDeps, link: Link | None = None, *, status: int | None = None
) -> HTMLResponse:
    row = deps.catalogue.get(link.type) if link else None
    reads = language(request.headers.get("accept-language", ""))
    what = row.title_in(reads) if row else link.type if link else ""
    text = page(shown, reads, deps.settings.mail.product, what)
    headers = HEADERS | ({"Retry-After": "5"} if shown is Shown.away else {})
    return HTMLResponse(text, status or _STATUS.get(shown, 200), headers)
