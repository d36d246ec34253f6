"""/unsubscribe/{token}: the link in emails that stops one notification type (RFC 8058). The token is the credential.

GET shows a page and changes nothing, because mail scanners follow links. POST acts.
"""

from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.api.deps import ApiDeps, Deps, authenticators_of
from service.api.routes.unsubscribe_page import (
    NOT_INDEXED,
    RESUME,
    STOP,
    UnsubscribePage,
    language,
    page,
    shell_of,
)
from service.pipeline.tables.unsubscribe_tokens import TokenExpired, UnsubscribeTarget
from service.ports import Unavailable

router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], include_in_schema=False)
log = structlog.get_logger(__name__)

_STATUS = {
    UnsubscribePage.mandatory: 403,
    UnsubscribePage.expired: 410,
    UnsubscribePage.invalid: 404,
    UnsubscribePage.unavailable: 503,
}
_MAX_BYTES = 4096


@router.get("/{token}")
async def show(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Return a page with a button to unsubscribe, or to subscribe again, or the reason why there is none."""
    target = _read(token, request, deps)
    if isinstance(target, UnsubscribePage):
        return _page(target, request, deps)
    kind = _refusal(target, deps)
    if kind is None:
        try:
            stopped = await deps.writer.read_unsubscribe(target.key) is not None
        except Unavailable:
            stopped = False  # the page still works without Redis; only the POST must know
        kind = UnsubscribePage.done if stopped else UnsubscribePage.ask
    return _page(kind, request, deps, target)


@router.post("/{token}")
async def act(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Stop emails of the type, or resume them with the page's other button. A repeat changes nothing."""
    target = _read(token, request, deps)
    if isinstance(target, UnsubscribePage):
        return _page(target, request, deps)
    kind, button = _refusal(target, deps), _button_of(request, await request.body())
    if kind is None:
        try:
            if button == STOP:
                await deps.writer.unsubscribe(target.key, target.type, "the link in a mail")
                kind = UnsubscribePage.done
            elif button == RESUME:
                await deps.writer.resubscribe(target.key)
                kind = UnsubscribePage.back
            else:
                return _page(UnsubscribePage.ask, request, deps, target, status=400)
        except Unavailable as error:
            log.warning("dependency_unavailable", error=error.reason)
            kind = UnsubscribePage.unavailable
    return _page(kind, request, deps, target)


def _read(token: str, request: Request, deps: ApiDeps) -> UnsubscribeTarget | UnsubscribePage:
    """Return the target of the token, or the page for a token that is expired or not valid."""
    tokens = authenticators_of(request).unsubscribe
    if tokens is None:
        return UnsubscribePage.invalid
    try:
        return tokens.read(token, deps.clock.now_ms())
    except TokenExpired:
        return UnsubscribePage.expired
    except ValueError:
        return UnsubscribePage.invalid


def _refusal(target: UnsubscribeTarget, deps: ApiDeps) -> UnsubscribePage | None:
    """Return the page for a mandatory type, or None for a type that can be stopped."""
    type_ = deps.catalogue.get(target.type)
    return UnsubscribePage.mandatory if type_ is not None and type_.mandatory else None


def _button_of(request: Request, body: bytes) -> tuple[str, str] | None:
    """Return the button that sent the form, or None. Mail clients may send either kind of form (RFC 8058, 3.1)."""
    body = body[:_MAX_BYTES]
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        parts = ((button, f'"{button[0]}"\r\n\r\n{button[1]}\r\n'.encode()) for button in (STOP, RESUME))
        return next((button for button, part in parts if part in body), None)
    try:
        values = parse_qs(body.decode("ascii"), max_num_fields=10).get(STOP[0], [])
    except ValueError:
        return None
    return next((button for button in (STOP, RESUME) if button[1] in values), None)


def _page(
    kind: UnsubscribePage,
    request: Request,
    deps: ApiDeps,
    target: UnsubscribeTarget | None = None,
    *,
    status: int | None = None,
) -> HTMLResponse:
    type_ = deps.catalogue.get(target.type) if target else None
    locale = language(request.headers.get("accept-language", ""))
    title = type_.title_in(locale) if type_ else target.type if target else ""
    brand = deps.brands.named(request.query_params.get("brand", ""))
    text = page(kind, locale, brand, title)
    headers = {**shell_of(brand).headers, **NOT_INDEXED} | (
        {"Retry-After": "5"} if kind is UnsubscribePage.unavailable else {}
    )
    return HTMLResponse(text, status or _STATUS.get(kind, 200), headers)
