"""The live tail: outcomes as they come, by server-sent events (WHATWG HTML, 9.2), with filters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from service.api.deps import Deps
from service.api.errors import ApiError, not_found
from service.api.hub import Hub
from service.api.middleware import HEAD_ONLY
from service.console.disclosure import disclosed
from service.console.guard import GuardedRoute, Reader
from service.console.outcome_form import outcome_filter, query_of
from service.console.pages import HEADERS, PATH
from service.console.recent_outcomes import RecentOutcomes
from service.console.state import console_of
from service.model.ledger import State
from service.model.mask import mask_text, printable
from service.model.outcome import Outcome
from service.pipeline.operate.outcome_filter import OutcomeFilter

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_EVERY_S = 0.25
_ALIVE_S = 15.0
_MOST_ROWS = 250
"""Rows of one event: a page shows no more of them at once. The rest are counted."""
_MOST_STREAMS = 50
_LONGEST = 200
_PROBE = "a@example.com"
"""What is asked for once, for the whole stream: what it then shows is recorded as one."""


@router.get("/tail")
async def tail(request: Request, session: Reader) -> Response:
    """Return the page."""
    context = {"query": query_of(request), "states": [one.value for one in State]}
    return console_of(request).pages.render(request, "tail.html", context)


@router.get("/tail/stream")
async def stream(request: Request, session: Reader, deps: Deps) -> Response:
    """Stream the outcomes that match, several times a second; until the session would end."""
    console, hub = console_of(request), request.app.state.hub
    if console.recent is None:
        raise not_found("live tail")
    if console.recent.watches >= _MOST_STREAMS:
        raise ApiError(429, "There are too many open tails.", code="too-many-streams")
    chosen = outcome_filter(deps, query_of(request))
    is_masked = not session.shows_addresses or await disclosed(request, deps, _PROBE) != _PROBE
    left_s = console.sessions.end_s(session) - deps.clock.now_ms() / 1000
    events = _events(console.recent, hub, chosen, is_masked=is_masked, left_s=left_s)
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    if HEAD_ONLY in request.scope:
        return Response(headers=headers, media_type="text/event-stream")
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


async def _events(
    recent: RecentOutcomes, hub: Hub, chosen: OutcomeFilter, *, is_masked: bool, left_s: float
) -> AsyncIterator[bytes]:
    """Yield events with the rows that have come, and a comment now and then."""
    loop = asyncio.get_running_loop()
    end_s, alive_s, error = loop.time() + left_s, loop.time(), ""
    yield b"retry: 2000\n\n"
    with recent.watch() as watch:
        recent.want()
        while not hub.closing and loop.time() < end_s:
            await asyncio.sleep(_EVERY_S)
            outcomes, skipped = watch.take()
            rows = [one for one in outcomes if chosen.matches(one)]
            skipped += max(0, len(rows) - _MOST_ROWS)
            if rows or skipped or recent.error != error:
                error, alive_s = recent.error, loop.time()
                document = {
                    "rows": [_row(one, is_masked=is_masked) for one in rows[-_MOST_ROWS:]],
                    "skipped": skipped,
                    "error": error,
                }
                yield b"data: %b\n\n" % orjson.dumps(document)
            elif loop.time() - alive_s > _ALIVE_S:
                alive_s = loop.time()
                yield b": alive\n\n"


def _row(outcome: Outcome, *, is_masked: bool) -> Sequence[Any]:
    """Return what a row shows, in the order of the columns, and the delivery's id."""
    why = outcome.reason.text or outcome.detail
    reply = " ".join(filter(None, (outcome.relay, outcome.reply)))
    texts = (outcome.recipient, outcome.type, why, reply)
    shown = (printable(mask_text(text[:_LONGEST]) if is_masked else text[:_LONGEST]) for text in texts)
    recipient, type_name, why, reply = shown
    return (
        outcome.at_ms,
        outcome.state.value,
        outcome.channel,
        recipient,
        type_name,
        why,
        reply,
        outcome.delivery,
    )
