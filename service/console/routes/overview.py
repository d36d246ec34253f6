"""The first page: what is wrong and what to do, rates, stages, relays and what waits; refreshed every two seconds."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from service.api.deps import ApiDeps, Deps
from service.api.errors import not_found
from service.console.guard import GuardedRoute, PrivacyOfficer, Reader, form_of
from service.console.pages import HEADERS, PATH
from service.console.recent_outcomes import BUCKET_MS
from service.console.sign_in import next_path
from service.console.state import Console, console_of
from service.model.ledger import State
from service.model.relay import RelayReport, RelayState
from service.model.worker import StageReport, StageState
from service.pipeline.operate.due_hours import DueHours, due_hours
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import Observation
from service.ports import Unavailable

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=GuardedRoute)

_GROUPS = {
    "sent": (State.sent,),
    "in digests": (State.digested,),
    "in inboxes": (State.delivered,),
    "deferred": (State.deferred, State.held, State.ambiguous),
    "failed": (State.bounced, State.dead, State.expired, State.returned),
    "not sent": (State.skipped, State.suppressed, State.superseded, State.withdrawn),
}
"""The lines of the chart, and the states that each counts."""
_GROUP_OF = {state: name for name, states in _GROUPS.items() for state in states}
_MOST_TYPES = 8
_STAGE_ORDER = {state: n for n, state in enumerate(
    (StageState.running, StageState.starting, StageState.stopped, StageState.incomplete, StageState.paused)
)}  # fmt: skip


@router.get("")
async def overview(request: Request, session: Reader, deps: Deps) -> Response:
    """Return the page."""
    return console_of(request).pages.render(request, "overview.html", await _now(console_of(request), deps))


@router.get("/now")
async def now(request: Request, session: Reader, deps: Deps) -> Response:
    """Return the part of the page that changes."""
    return console_of(request).pages.render(request, "now-parts.html", await _now(console_of(request), deps))


@router.get("/rates")
async def rates(request: Request, session: Reader) -> Response:
    """Return the data of the chart: times (s), then outcomes a second for each line."""
    recent = console_of(request).recent
    if recent is None:
        raise not_found("chart")
    recent.want()
    lines: dict[str, list[float]] = {name: [] for name in _GROUPS}
    buckets = recent.buckets()[:-1]  # the newest is not over
    for _, counts in buckets:
        sums: Counter[str] = Counter()
        for (state, _), number in counts.items():
            sums[_GROUP_OF.get(State(state), "")] += number
        for name, values in lines.items():
            values.append(sums[name] * 1000 / BUCKET_MS)
    times = [begin_ms / 1000 for begin_ms, _ in buckets]
    document = {"names": list(lines), "data": [times, *lines.values()], "error": recent.error}
    return JSONResponse(document, headers=HEADERS)


@router.post("/addresses")
async def show_addresses(request: Request, session: PrivacyOfficer) -> Response:
    """Show addresses from now on, or mask them again. Each page that shows them is in the operation log."""
    form = await form_of(request)
    request.state.session = session._replace(shows_addresses=form.get("show") == "yes")
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(root + next_path(form.get("next", "")), 303)


async def _now(console: Console, deps: ApiDeps) -> dict[str, Any]:
    """Return what the overview shows. An outage is a problem on the page, not an error of it."""
    if console.recent is not None:
        console.recent.want()
    seen = await deps.observer.observe()
    return {
        "problems": find_problems(seen),
        "workers": seen.reports,
        "stages": _stages(seen),
        "relays": _relays(seen),
        "types_seen": _types(console),
        "waiting": await _waiting(deps),
        "outcomes_error": console.recent.error if console.recent else "",
    }


def _stages(seen: Observation) -> Sequence[dict[str, Any]]:
    """Return each stage, with the reports of all workers together: the state is the worst."""
    by_name: dict[str, list[StageReport]] = {}
    for worker in seen.reports:
        for stage in worker.stages:
            by_name.setdefault(stage.stage, []).append(stage)
    rows = []
    for name, reports in by_name.items():
        worst = max(reports, key=lambda one: _STAGE_ORDER[one.state])
        rows.append(
            {
                "name": name,
                "state": worst.state.value,
                "reason": worst.reason,
                "since_ms": worst.since_ms,
                "workers": len(reports),
                "partitions": sum(len(numbers) for one in reports for numbers in one.partitions.values()),
                "lag": sum(one.lag for one in reports),
                "in_flight": sum(one.in_flight for one in reports),
                "oldest_s": max(one.oldest_unfinished_s for one in reports),
                "dead_letters": sum(one.recent_dead_letters for one in reports),
            }
        )
    return rows


def _relays(seen: Observation) -> Sequence[dict[str, Any]]:
    """Return each relay, with the reports of all workers together: the state is the worst."""
    by_name: dict[str, list[RelayReport]] = {}
    for worker in seen.reports:
        for relay in worker.relays:
            by_name.setdefault(relay.relay, []).append(relay)
    rows = []
    for name, reports in by_name.items():
        worst = max(reports, key=lambda one: (one.state is not RelayState.ok, one.since_ms))
        replies = sorted((reply for one in reports for reply in one.replies), key=lambda one: -one.at_ms)
        rows.append(
            {
                "name": name,
                "state": worst.state.value,
                "since_ms": worst.since_ms,
                "detail": worst.detail,
                "remedy": worst.remedy,
                "rate": sum(one.rate for one in reports),
                "queued": sum(one.queued for one in reports),
                "in_flight": sum(one.in_flight for one in reports),
                "connections": sum(one.connections for one in reports),
                "replies": replies[:3],
            }
        )
    return rows


def _types(console: Console) -> Sequence[tuple[str, dict[str, int], int]]:
    """Return the types with the most outcomes of the last ten minutes: name, counts by line of the chart, their sum."""
    sums: dict[str, Counter[str]] = {}
    for _, counts in console.recent.buckets() if console.recent else ():
        for (state, name), number in counts.items():
            if group := _GROUP_OF.get(State(state)):
                sums.setdefault(name, Counter())[group] += number
    rows = sorted(sums.items(), key=lambda item: -item[1].total())[:_MOST_TYPES]
    return [(name, dict(counts), counts.total()) for name, counts in rows]


async def _waiting(deps: ApiDeps) -> DueHours | None:
    """Return what waits in the due set by the hour; None during an outage of Redis."""
    try:
        return await due_hours(deps.operate.due, deps.clock.now_ms()) if deps.operate else None
    except Unavailable:
        return None
