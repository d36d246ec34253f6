"""What Prometheus reads of the API. Labels are route templates, never paths, so their number is bounded."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import Scope

from service.observability import metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Count one answered request."""
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.HTTP_REQUESTS.add((method, route, str(status)))
    if route != "/v1/inbox/stream":
        metrics.HTTP_DURATION_S.observe((route,), seconds)


def exposition() -> Response:
    """Every metric of this process as text."""
    return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
