"""Routes of the start page. They answer on loopback host names only, which defeats DNS rebinding."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import randbelow, token_hex
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from service.api.deps import ApiDeps, Deps, authenticators_of
from service.api.errors import ApiError, not_found
from service.api.representations.body import parse_model, read_json
from service.api.representations.static_file import StaticFile
from service.dev import samples
from service.dev.start.pages import (
    SHELL,
    StartLinks,
    event_list,
    explanation_page,
    missing_page,
    start_page,
)
from service.model.ids import address_pseudonym
from service.model.record import Message
from service.pipeline.operate.explain import ExplainQuery
from service.pipeline.tables.preference_centre import PreferenceOwner

_RECIPIENT = "alice"
_TOKEN_S = 900
_SHOWN = 8
_SCRIPT = StaticFile(Path(__file__).with_name("static") / "start.js", "text/javascript")
_PEOPLE = (
    *(row.id for row in samples.RECIPIENTS),
    samples.MAIN_CONTACT,
    samples.SECOND_CONTACT,
    address_pseudonym(samples.GROUP.addresses["invoice_available"][0]),
)
"""Recipients of the sample events, through whom the newest events are found."""


class SampleEvent(BaseModel):
    """The type whose sample event is published."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: str


async def _only_here(request: Request) -> None:
    """Raise ApiError 403 for a request by another host name, or from a page of another site."""
    site = request.headers.get("sec-fetch-site", "none")
    if request.url.hostname not in ("127.0.0.1", "localhost", "::1") or site == "cross-site":
        raise ApiError(403, "This page answers on this machine only.", code="forbidden")


router = APIRouter(include_in_schema=False, dependencies=[Depends(_only_here)])


@router.get("/")
async def start(deps: Deps) -> Response:
    """Return the start page."""
    text = start_page(deps.catalogue, _links(deps), event_list(await _events(deps), deps.catalogue))
    return HTMLResponse(text, headers=SHELL.headers)


@router.get("/start/events")
async def events(deps: Deps, request: Request) -> Response:
    """Return the list of events; 304 where it is as the client has it."""
    text = event_list(await _events(deps), deps.catalogue)
    tag = f'"{sha256(text.encode()).hexdigest()[:16]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(text, headers={"ETag": tag})


@router.post("/start/events")
async def publish(deps: Deps, request: Request) -> Response:
    """Publish the sample event of a type, with a new id, to the seeded recipients."""
    form = parse_model(SampleEvent, await read_json(request))
    if form.type not in deps.catalogue:
        raise ApiError(422, "There is no such type.", code="invalid-body")
    event_id = f"start-{form.type}-{token_hex(4)}"
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = samples.event(deps.catalogue, form.type, event_id, stamp)
    if (
        "lot_id" in event["data"]
    ):  # another lot each time: an event about the same one would supersede the one before
        event = {**event, "data": {**event["data"], "lot_id": str(randbelow(900) + 100)}}
    await deps.publisher.publish([Message(deps.events_topic, b"", orjson.dumps(event))])
    return JSONResponse({"id": event_id}, 202)


@router.get("/start/token")
async def token(request: Request) -> Response:
    """Return a token for Alice's inbox, as an app's server would get it."""
    tokens = authenticators_of(request).tokens
    text = tokens.inbox.token(_RECIPIENT, int(time.time()), _TOKEN_S)
    return JSONResponse({"access_token": text, "token_type": "Bearer", "expires_in": _TOKEN_S})


@router.get("/start/preferences")
async def preferences(request: Request, deps: Deps) -> Response:
    """Redirect to Alice's preferences, by a token as her mail has it."""
    tokens = authenticators_of(request).preferences
    if tokens is None:
        raise not_found("page")
    text = tokens.token_of(PreferenceOwner(_RECIPIENT), deps.clock.now_ms())
    return RedirectResponse(f"/preferences/{text}", 303)


@router.get("/start/explain/{key}")
async def explain(key: str, deps: Deps) -> Response:
    """Return the page that explains an event."""
    if deps.explain is None:
        raise not_found("event")
    document = await deps.explain(ExplainQuery(event=key, limit=100))
    if len(document["events"]) != 1:
        return HTMLResponse(missing_page(), 404, headers=SHELL.headers)
    return HTMLResponse(explanation_page(document, deps.catalogue), headers=SHELL.headers)


@router.get("/start/start.js")
async def script(request: Request) -> Response:
    """Return the script of the start page."""
    return await _SCRIPT.response(request)


async def _events(deps: ApiDeps) -> list[dict[str, Any]]:
    """Return the newest events of the seeded recipients, as `tocsin explain` describes them."""
    if deps.explain is None:
        return []
    received_ms: dict[str, int] = {}
    for recipient in _PEOPLE:
        document = await deps.explain(ExplainQuery(recipient=recipient, limit=_SHOWN))
        for head in (event["event"] for event in document["events"]):
            received_ms[head["key"]] = int(head.get("received_ms", 0))
    events = list[dict[str, Any]]()
    for key in sorted(received_ms, key=lambda one: -received_ms[one])[:_SHOWN]:
        document = await deps.explain(ExplainQuery(event=key, limit=20))
        events += document["events"]
    return events


def _links(deps: ApiDeps) -> StartLinks:
    """Return the addresses of the stack that `tocsin dev` started."""
    settings = deps.settings
    mail = (
        f"http://127.0.0.1:{settings.dev.mail_port}" if settings.smtp.port == settings.dev.smtp_port else ""
    )
    return StartLinks(
        mail=mail,
        preview=f"{mail}/preview" if mail else "",
        metrics=f"http://{settings.http.metrics_host}:{settings.http.metrics_port}/metrics",
        preferences="/start/preferences",
    )
