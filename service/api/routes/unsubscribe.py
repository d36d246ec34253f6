"""/unsubscribe/{token}: the link in emails that stops one notification type (RFC 8058). The token is the credential.

That of a digest stops all types of its group, each by a row of its own.

GET shows a page and changes nothing, because mail scanners follow links. POST acts.
"""

from collections.abc import Sequence
from typing import NamedTuple
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
from service.model.catalogue import Catalogue
from service.pipeline.tables.unsubscribe_tokens import DigestTarget, TokenExpired, UnsubscribeTarget
from service.ports import Unavailable

router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe"], include_in_schema=False)
log = structlog.get_logger(__name__)

_UNAVAILABLE = 503
_STATUS = {
    UnsubscribePage.mandatory: 403,
    UnsubscribePage.expired: 410,
    UnsubscribePage.invalid: 404,
    UnsubscribePage.unavailable: _UNAVAILABLE,
    UnsubscribePage.partly: _UNAVAILABLE,
}
_BY_LINK, _BY_DIGEST = "the link in a mail", "the link in a digest"
_MAX_BYTES = 4096


class _Link(NamedTuple):
    """What a link stops: types for a recipient. `by`: who has stopped one, as its row says."""

    targets: Sequence[UnsubscribeTarget]
    by: str = _BY_LINK


@router.get("/{token}")
async def show(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Return a page with a button to unsubscribe, or to subscribe again, or the reason why there is none."""
    kind, link = _read(token, request, deps)
    if kind is None:
        try:
            kind = UnsubscribePage.done if await _are_stopped(link, deps) else UnsubscribePage.ask
        except Unavailable:
            kind = UnsubscribePage.ask  # the page still works without Redis; only the POST must know
    return _page(kind, request, deps, link.targets)


@router.post("/{token}")
async def act(token: str, request: Request, deps: Deps) -> HTMLResponse:
    """Stop emails of the types, or resume them with the page's other button. A repeat changes nothing."""
    kind, link = _read(token, request, deps)
    if kind is not None:
        return _page(kind, request, deps, link.targets)
    targets, button = link.targets, _button_of(request, await request.body())
    changed: list[UnsubscribeTarget] = []
    try:
        if button == STOP:
            kind = UnsubscribePage.done
            for target in targets:
                await deps.writer.unsubscribe(target.key, target.type, link.by)
                changed.append(target)
        elif button == RESUME:
            kind, targets = UnsubscribePage.back, await _stopped_by(link, deps)
            for target in targets:
                await deps.writer.resubscribe(target.key)
                changed.append(target)
        else:
            return _page(UnsubscribePage.ask, request, deps, targets, status=400)
    except Unavailable as error:
        log.warning("dependency_unavailable", error=error.reason)
        kind = UnsubscribePage.partly if changed else UnsubscribePage.unavailable
    return _page(kind, request, deps, targets)


def _read(token: str, request: Request, deps: ApiDeps) -> tuple[UnsubscribePage | None, _Link]:
    """Return what the token is for, and the page for one that is expired, not valid, or stops nothing."""
    tokens = authenticators_of(request).unsubscribe
    if tokens is None:
        return UnsubscribePage.invalid, _Link(())
    try:
        target = tokens.read(token, deps.clock.now_ms())
    except TokenExpired:
        return UnsubscribePage.expired, _Link(())
    except ValueError:
        return UnsubscribePage.invalid, _Link(())
    return _link_of(target, deps.catalogue)


def _link_of(
    target: UnsubscribeTarget | DigestTarget, catalogue: Catalogue
) -> tuple[UnsubscribePage | None, _Link]:
    """Return what a link is for, and the page for one that stops nothing."""
    if isinstance(target, UnsubscribeTarget):
        type_ = catalogue.get(target.type)
        refused = type_ is not None and type_.mandatory
        return UnsubscribePage.mandatory if refused else None, _Link([target])
    types = catalogue.digest_groups().get(target.group, ())
    if not types:  # no digest of this group is sent any more
        return UnsubscribePage.expired, _Link(())
    if stoppable := [target.of_type(type_.name) for type_ in types if type_.unsubscribable]:
        return None, _Link(stoppable, _BY_DIGEST)
    return UnsubscribePage.mandatory, _Link([target.of_type(type_.name) for type_ in types])


async def _are_stopped(link: _Link, deps: ApiDeps) -> bool:
    """Return whether all types of a link are stopped. Raise Unavailable."""
    for target in link.targets:
        if await deps.writer.read_unsubscribe(target.key) is None:
            return False
    return True


async def _stopped_by(link: _Link, deps: ApiDeps) -> Sequence[UnsubscribeTarget]:
    """Return the types to resume: those that such a link has stopped, if any, else all. Raise Unavailable.

    What the recipient has stopped before, by the link in a mail of one type, stays stopped.
    """
    rows = [await deps.writer.read_unsubscribe(target.key) for target in link.targets]
    own = [target for target, row in zip(link.targets, rows, strict=True) if row and row.by == link.by]
    return own or link.targets


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
    targets: Sequence[UnsubscribeTarget],
    *,
    status: int | None = None,
) -> HTMLResponse:
    locale = language(request.headers.get("accept-language", ""))
    types = [(target.type, deps.catalogue.get(target.type)) for target in targets]
    titles = [type_.title_in(locale) if type_ else name for name, type_ in types]
    brand = deps.brands.named(request.query_params.get("brand", ""))
    text = page(kind, locale, brand, titles)
    headers = {**shell_of(brand).headers, **NOT_INDEXED} | (
        {"Retry-After": "5"} if _STATUS.get(kind) == _UNAVAILABLE else {}
    )
    return HTMLResponse(text, status or _STATUS.get(kind, 200), headers)
