"""The HTTP probe of a worker: liveness, readiness with its reasons, and metrics."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.bootstrap.parts import Parts
from service.model.worker import StageState
from service.observability.http_server import observability_server
from service.observability.metrics import exposition
from service.pipeline.operate.problem_rules import RELAY_KINDS, problems_of
from service.pipeline.operate.problems import CurrentProblem
from streams.consumer.health import StageHealth
from streams.lifecycle import Service
from streams.observability.scrape import scrape
from streams.worker.rates import LiveRates
from streams.worker.report import WorkerStatus
from streams.worker.stages import Stages


class Probe(Service):
    """/livez fails when a stage makes no progress, /readyz names the reason why a stage or a service beside it waits.

    /metrics is for Prometheus.
    """

    name = "probe"

    def __init__(self, stages: Stages, rates: LiveRates | None, parts: Parts, status: WorkerStatus) -> None:
        super().__init__()
        self._status = status
        self._stages = stages
        self._live_rates = rates
        self._parts = parts
        routes = [
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        if rates is not None:
            routes.append(Route("/rates", self._rates))
        worker = parts.settings.worker
        self._server = observability_server(
            Starlette(routes=routes), worker.metrics_host, worker.metrics_port
        )

    async def on_start(self) -> None:
        """Listen; the worker keeps its own signal handlers."""
        await self._server.startup()
        self.add_task(self._server.main_loop())

    async def on_stop(self) -> None:
        """Close, after the stages have stopped."""
        self._server.should_exit = True
        if self._server.started:
            await self._server.shutdown()

    async def _livez(self, _: Request) -> Response:
        alive = self._stages.alive()
        return _json({"status": "ok" if alive else "stalled"}, 200 if alive else 503)

    async def _readyz(self, _: Request) -> Response:
        stages = self._stages.health()
        reasons = {h.name: h.reason or h.state.value for h in stages if h.state is not StageState.running}
        reasons |= {name: reason for name, reason in self._stages.waits().items() if reason}
        problems = problems_of(self._status.report(self._stages))
        relays = [problem for problem in problems if problem.kind in RELAY_KINDS.values()]
        reasons |= {f"relay {problem.subject}": _reason(problem) for problem in relays}
        body = {
            "status": "not ready" if reasons else "ready",
            "reasons": reasons,
            "problems": [problem.document() for problem in problems],
            "stages": {h.name: _stage(h) for h in stages},
        }
        return _json(body, 503 if reasons else 200)

    async def _metrics(self, request: Request) -> Response:
        families = await scrape(self._parts, self._stages.health(), self._stages.waits())
        accept = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(exposition, families, accept)
        return Response(body, headers={"Content-Type": content_type})

    async def _rates(self, _: Request) -> Response:
        counts = self._live_rates.last_minute() if self._live_rates is not None else {}
        return _json({"/".join(key): n for key, n in counts.items()}, 200)


def _reason(problem: CurrentProblem) -> str:
    """Return what is wrong, since when, and what to do."""
    since = datetime.fromtimestamp((problem.since_ms or 0) / 1000, UTC).isoformat(timespec="seconds")
    return f"{problem.sentence}, since {since}; {problem.remedy}"


def _stage(health: StageHealth) -> dict[str, Any]:
    return {
        "state": health.state.value,
        "in_flight": health.in_flight,
        "finished": health.finished,
        "dead_letters": health.dead,
        "lag": sum(health.lag.values()),
        "unread_partitions": len(health.unread),
        "missing_topics": list(health.missing),
        "offset_resets": health.resets,
        "removed_unread": health.removed_unread,
        "oldest_in_flight_s": round(health.oldest_in_flight_s, 3),
        "last_progress_s": round(health.last_progress_s, 3),
    }


def _json(body: Any, status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
