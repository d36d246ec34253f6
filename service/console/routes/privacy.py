"""A person's data: count it, export it, or erase it after the person's id was typed again."""

import asyncio
import hmac
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import Deps
from service.api.errors import ApiError
from service.console.guard import Form, GuardedRoute, PrivacyOfficer, form_of, services_of
from service.console.pages import HEADERS, PATH, stamp
from service.console.state import console_of
from service.model.operation import OperationKind, OperationPhase, pseudonym
from service.model.record import Record
from service.pipeline.operate.data_requests import item_counts

router = APIRouter(prefix=f"{PATH}/privacy", include_in_schema=False, route_class=GuardedRoute)

_LONGEST = 320


@router.get("")
async def privacy(request: Request, session: PrivacyOfficer, recipient: str = "") -> Response:
    """Return the form."""
    return _page(request, {"person": recipient[:_LONGEST]})


@router.post("")
async def survey(request: Request, session: PrivacyOfficer) -> Response:
    """Return how much is kept of a person."""
    form = await form_of(request)
    person = _person(form)
    requests = services_of(request).data_requests
    found = await requests.find(**_named(person))
    counts = item_counts(await requests.export(found)) | {"records in Kafka": len(found.records)}
    return _page(
        request, {"person": person}, counts={name: number for name, number in counts.items() if number}
    )


@router.post("/export")
async def export(request: Request, session: PrivacyOfficer) -> Response:
    """Return everything that is kept of a person as a file, and record that."""
    services = services_of(request)
    person = _person(await form_of(request))
    found = await services.data_requests.find(**_named(person))
    document = await services.data_requests.export(found)
    document["kafka"] = [_row(record) for record in found.records]
    log = services.operation_log(session.operator, OperationKind.export, {"person": pseudonym(person)})
    await log.write(OperationPhase.ended, item_counts(document))
    body = await asyncio.to_thread(orjson.dumps, document, str, orjson.OPT_INDENT_2)
    disposition = f'attachment; filename="export-{pseudonym(person)}.json"'
    headers = {**HEADERS, "Content-Disposition": disposition}
    return Response(body, headers=headers, media_type="application/json")


@router.post("/erase")
async def erase(request: Request, session: PrivacyOfficer, deps: Deps) -> Response:
    """Erase a person's data, if the id was typed again. It is recorded before it is done, and after."""
    services, form = services_of(request), await form_of(request)
    person = _person(form)
    if not hmac.compare_digest(form.get("again", "").strip().encode(), person.encode()):
        raise ApiError(
            422, "The text is not the person’s id or address. Nothing was erased.", code="invalid-body"
        )
    found = await services.data_requests.find(**_named(person))
    stored = item_counts(await services.data_requests.export(found))
    log = services.operation_log(session.operator, OperationKind.erase, {"person": pseudonym(person)})
    await log.write(OperationPhase.begun, stored)
    counts = await services.data_requests.erase(found)
    await log.write(OperationPhase.ended, counts)
    return _page(request, {"person": ""}, erased=dict(counts))


def _person(form: Form) -> str:
    """Return the id or address of a form. Raise ApiError."""
    person = form.get("person", "").strip()
    if not 0 < len(person) <= _LONGEST:
        raise ApiError(422, "Type the id of a person, or an address.", code="invalid-body")
    return person


def _named(person: str) -> dict[str, str]:
    return {"address": person} if "@" in person else {"recipient": person}


def _row(record: Record) -> dict[str, Any]:
    value: Any = (record.value or b"").decode("utf-8", "backslashreplace")
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": stamp(record.timestamp_ms),
        "value": value,
    }


def _page(
    request: Request,
    form: Form,
    *,
    counts: dict[str, int] | None = None,
    erased: dict[str, int] | None = None,
) -> Response:
    context = {"person": form["person"], "counts": counts, "erased": erased}
    return console_of(request).pages.render(request, "privacy.html", context)
