"""Dead letters: the list, one with its record, and redrive or discard, after a count of what it would do."""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import Deps
from service.api.errors import ApiError, not_found
from service.console.disclosure import disclosed
from service.console.guard import Form, GuardedRoute, Reader, Writer, fields_of, services_of
from service.console.pages import PATH
from service.console.routes.operations import to_operation
from service.console.state import console_of
from service.model.operation import OperationKind
from service.model.reasons import DeadReason
from service.pipeline.operate.cursors import cursor_of, positions_in
from service.pipeline.operate.dead_letters import (
    STATUS_NAMES,
    DeadLetterFilter,
    KnownDeadLetter,
    UnknownDeadLetter,
    status_name,
)

router = APIRouter(prefix=f"{PATH}/dead-letters", include_in_schema=False, route_class=GuardedRoute)

_SHOWN = 50
_LONGEST_BODY_BYTES = 65_536
_FIELDS = {"reason": "reasons", "type": "types", "stage": "stages", "topic": "topics", "state": "states"}
_ACTIONS = {"redrive": OperationKind.redrive, "discard": OperationKind.discard}


@router.get("")
async def dead_letters(request: Request, session: Reader, deps: Deps, before: str = "") -> Response:
    """Return a page of the list, the newest first; those that are open, unless the query says otherwise."""
    services = services_of(request)
    query = {name: request.query_params.get(name, "")[:200] for name in _FIELDS}
    if "state" not in request.query_params:
        query["state"] = "open"
    chosen = _filter(query)
    try:
        start = positions_in(before, {services.topics.dead_letter}) if before else None
    except ValueError as error:
        raise ApiError(400, str(error), code="invalid-parameter") from None
    page = await services.dead_letters.page(chosen, _SHOWN, start)
    context = {
        "query": query,
        "rows": await disclosed(request, deps, [_row(one) for one in page.dead_letters]),
        "next": cursor_of(page.before) if page.before is not None and page.dead_letters else "",
        "reasons": [one.value for one in DeadReason],
        "statuses": ("open", *STATUS_NAMES.values()),
    }
    return console_of(request).pages.render(request, "dead-letters.html", context)


@router.get("/{id_}")
async def dead_letter(id_: str, request: Request, session: Reader, deps: Deps) -> Response:
    """Return one with its record."""
    try:
        known = await services_of(request).dead_letters.find(id_)
    except (ValueError, UnknownDeadLetter):
        raise not_found("dead letter") from None
    context = {"one": await disclosed(request, deps, _document(known))}
    return console_of(request).pages.render(request, "dead-letter.html", context)


@router.post("/survey")
async def survey(request: Request, session: Writer) -> Response:
    """Return what an action on the chosen ones would do. Nothing is done."""
    fields = await fields_of(request)
    action, chosen = _choice(fields)
    try:
        counts = await services_of(request).dead_letters.survey(chosen)
    except UnknownDeadLetter as error:
        raise ApiError(404, f"{error}.", code="not-found") from None
    context = {
        "action": action,
        "survey": counts,
        "chosen": [(name, value) for name, value in fields if name in (*_FIELDS, "id") and value],
    }
    return console_of(request).pages.render(request, "dead-letter-survey.html", context)


@router.post("/apply")
async def apply(request: Request, session: Writer) -> Response:
    """Begin to redrive or discard the chosen ones that are open; the operation shows how far it is."""
    services = services_of(request)
    action, chosen = _choice(await fields_of(request))
    try:
        total = (await services.dead_letters.survey(chosen)).total
    except UnknownDeadLetter as error:
        raise ApiError(404, f"{error}.", code="not-found") from None
    id_ = await services.begin_dead_letter_change(session.operator, _ACTIONS[action], chosen, total)
    return to_operation(request, id_)


def _choice(fields: Sequence[tuple[str, str]]) -> tuple[str, DeadLetterFilter]:
    """Return the action and the filter of a form: ids, or the filters of the list. Raise ApiError."""
    form = dict(fields)
    action = form.get("action", "")
    ids = frozenset(value for name, value in fields if name == "id")
    if action not in _ACTIONS or (form.get("scope") == "ids" and not ids):
        raise ApiError(422, "Choose at least one dead letter.", code="invalid-body")
    try:
        if ids:
            return action, DeadLetterFilter(ids)
    except ValueError as error:
        raise ApiError(422, f"{error}.", code="invalid-body") from None
    return action, _filter(form)


def _filter(form: Form) -> DeadLetterFilter:
    values: dict[str, Any] = {
        target: frozenset({form[name]}) for name, target in _FIELDS.items() if form.get(name)
    }
    return DeadLetterFilter(**values)


def _row(known: KnownDeadLetter) -> dict[str, Any]:
    one, status = known
    text = DeadReason(one.reason).text if one.reason in set(DeadReason) else one.reason
    return {
        "id": one.id,
        "at_ms": one.record.timestamp_ms,
        "state": status_name(status),
        "by": status.operator if status else "",
        "by_ms": status.at_ms if status else 0,
        "reason": one.reason,
        "reason_text": text,
        "type": one.type,
        "stage": one.stage,
        "topic": one.topic,
        "place": one.place,
        "detail": one.detail,
    }


def _document(known: KnownDeadLetter) -> dict[str, Any]:
    one = known.dead_letter
    body = _text(one.record.value)
    return {
        **_row(known),
        "key": _text(one.record.key),
        "headers": [(name, _text(value)) for name, value in one.headers],
        "body": body[:_LONGEST_BODY_BYTES],
        "is_cut": len(body) > _LONGEST_BODY_BYTES,
        "partial": one.partial,
        "size": one.size if one.size is not None else len(one.record.value or b""),
    }


def _text(value: bytes | None) -> str:
    """Return bytes as text: JSON with a line for each field, other text as it is, other bytes as escapes."""
    try:
        return orjson.dumps(orjson.loads(value or b""), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return (value or b"").decode("utf-8", "backslashreplace")
