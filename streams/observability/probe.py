"""The HTTP probe of a worker: liveness, readiness with its reasons, and metrics."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import faust
import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.bootstrap import Parts
from service.model.relay import RelayReport, RelayState
from service.model.worker import StageState
from service.observability.http_server import observability_server
from service.observability.metrics import exposition
from streams.consumer.health import StageHealth
from streams.observability.scrape import scrape
from streams.worker.faust_app import RatesApp, StagesApp
from streams.worker.report import WorkerStatus


class Probe(faust.Service):  # type: ignore[misc]  # faust has no usable types
    """/livez fails when a stage makes no progress, /readyz names the reason why a stage or a service beside it waits.

    /metrics is for Prometheus.
    """

    def __init__(
        self,
        app: StagesApp | RatesApp,
        parts: Parts,
        status: WorkerStatus,
        host: str,
        port: int,
        **service: Any,
    ) -> None:
        super().__init__(**service)
        self._status = status
        self._app = app
        self._parts = parts
        routes = [
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        if app.rates is not None:
            routes.append(Route("/rates", self._rates))
        self._server = observability_server(Starlette(routes=routes), host, port)

    async def on_start(self) -> None:
        """Listen; the worker keeps its own signal handlers."""
        await self._server.startup()
        self.add_future(self._server.main_loop())

    async def on_stop(self) -> None:
        """Close, after the stages have stopped."""
        self._server.should_exit = True
        await self._server.shutdown()

    async def _livez(self, _: Request) -> Response:
        alive = self._app.stages.alive()
        return _json({"status": "ok" if alive else "stalled"}, 200 if alive else 503)

    async def _readyz(self, _: Request) -> Response:
        stages = self._app.stages.health()
        reasons = {h.name: h.reason or h.state.value for h in stages if h.state is not StageState.running}
        reasons |= {name: reason for name, reason in self._app.stages.waits().items() if reason}
        if "email" in self._parts.settings.worker.stages:
            for relay in self._parts.transport.state():
                if relay.state is not RelayState.ok:
                    reasons[f"relay {relay.relay}"] = _relay(relay.report)
        body = {
            "status": "not ready" if reasons else "ready",
            "reasons": reasons,
            "stages": {h.name: _stage(h) for h in stages},
        }
        return _json(body, 503 if reasons else 200)

    async def _metrics(self, _: Request) -> Response:
        families = await scrape(self._parts, self._app.stages.health(), self._app.stages.waits())
        body = await asyncio.to_thread(exposition, families)
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _rates(self, _: Request) -> Response:
        rates = self._app.rates
        counts = rates.last_minute() if rates is not None else {}
        return _json({"/".join(key): n for key, n in counts.items()}, 200)


def _relay(report: RelayReport) -> str:
    """Return the state of a relay, since when, why, and what to do."""
    since = datetime.fromtimestamp(report.since_ms / 1000, UTC).isoformat(timespec="seconds")
    text = ": ".join(filter(None, (f"{report.state.value} since {since}", report.reason.text, report.detail)))
    return f"{text}; {report.remedy}" if report.remedy else text


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
