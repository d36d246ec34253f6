"""HTTP metrics. Labels are route templates, never paths, so their number is bounded."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import Scope

from service.api.methods import METHODS
from service.observability import metrics


def observe(scope: Scope, method: str, status: int, duration_s: float) -> None:
    """Count one request, and observe its duration unless it was a live stream, which lasts up to an hour."""
    route = getattr(scope.get("route"), "path", "none")
    metrics.HTTP_REQUESTS.add((method if method in METHODS else "other", route, str(status)))
    if route != "/v1/inbox/stream":
        metrics.HTTP_DURATION_S.observe((route,), duration_s)


def exposition() -> Response:
    """Return every metric of this process in Prometheus' text format."""
    return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
