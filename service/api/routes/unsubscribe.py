"""/unsubscribe/{token}: one click in a mail ends that type of mail (RFC 8058), without login; the token is the proof.

GET shows a page and changes nothing, since mail scanners follow links. POST acts.
"""

import logging
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.api.deps import ApiDeps, Deps, authenticators_of
from service.api.routes.unsubscribe_page import HEADERS, RESUME, STOP, UnsubscribePage, language, page
from service.pipeline.tables.unsubscribe_tokens import TokenExpired, UnsubscribeTarget
from service.ports import Unavailable

router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], include_in_schema=False)
log = logging.getLogger(__name__)

_STATUS = {
    UnsubscribePage.mandatory: 403,
    UnsubscribePage.expired: 410,
    UnsubscribePage.invalid: 404,
    UnsubscribePage.away: 503,
}
_MOST_BYTES = 4096


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """A page that asks, or says how it stands."""
    link = _read(token, request, deps)
    if isinstance(link, UnsubscribePage):
        return _page(link, request, deps)
    shown = _refusal(link, deps)
    if shown is None:
        try:
            stopped = await deps.writer.read_unsubscribe(link.key) is not None
        except Unavailable:
            stopped = False  # asking costs nothing: the answer to POST is what counts
        shown = UnsubscribePage.done if stopped else UnsubscribePage.ask
    return _page(shown, request, deps, link)


@router.post("/{token}")
async def act(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Stop the mails, or with the page's other button let them come again. Done twice, it is done once."""
    link = _read(token, request, deps)
    if isinstance(link, UnsubscribePage):
        return _page(link, request, deps)
    shown, wish = _refusal(link, deps), _wish(request, await request.body())
    if shown is None:
        try:
            if wish == STOP:
                await deps.writer.unsubscribe(link.key, link.type, "the link in a mail")
                shown = UnsubscribePage.done
            elif wish == RESUME:
                await deps.writer.resubscribe(link.key)
                shown = UnsubscribePage.back
            else:
                return _page(UnsubscribePage.ask, request, deps, link, status=400)
        except Unavailable as away:
            log.warning("unavailable: %s", away.reason)
            shown = UnsubscribePage.away
    return _page(shown, request, deps, link)


def _read(token: str, request: Request, deps: ApiDeps) -> UnsubscribeTarget | UnsubscribePage:
    tokens = authenticators_of(request).unsubscribe
    if tokens is None:
        return UnsubscribePage.invalid
    try:
        return tokens.read(token, deps.clock.now_ms())
    except TokenExpired:
        return UnsubscribePage.expired
    except ValueError:
        return UnsubscribePage.invalid


def _refusal(link: UnsubscribeTarget, deps: ApiDeps) -> UnsubscribePage | None:
    row = deps.catalogue.get(link.type)
    return UnsubscribePage.mandatory if row is not None and row.mandatory else None


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
    shown: UnsubscribePage,
    request: Request,
    deps: ApiDeps,
    link: UnsubscribeTarget | None = None,
    *,
    status: int | None = None,
) -> HTMLResponse:
    row = deps.catalogue.get(link.type) if link else None
    reads = language(request.headers.get("accept-language", ""))
    what = row.title_in(reads) if row else link.type if link else ""
    text = page(shown, reads, deps.settings.mail.product, what)
    headers = HEADERS | ({"Retry-After": "5"} if shown is UnsubscribePage.away else {})
    return HTMLResponse(text, status or _STATUS.get(shown, 200), headers)
