"""What Prometheus reads of the API. Labels are route templates, never paths, so their number is bounded."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import Scope

_REQUESTS = Counter("tocsin_http_requests_total", "Requests answered", ["method", "route", "status"])
_SECONDS = Histogram(
    "tocsin_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Count one answered request."""
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    _REQUESTS.labels(method, route, str(status)).inc()
    if route != "/v1/inbox/stream":
        _SECONDS.labels(route).observe(seconds)


def exposition() -> Response:
    """Every metric of this process as text."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
