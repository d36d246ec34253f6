"""HTTP metrics. Labels are route templates, never paths, so their number is bounded."""

import asyncio

from starlette.responses import Response
from starlette.types import Scope

from service.api.methods import METHODS
from service.observability import metrics
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import Observer, count_problems


def observe(scope: Scope, method: str, status: int, duration_s: float) -> None:
    """Count one request, and observe its duration unless it was a live stream, which lasts up to an hour."""
    route = getattr(scope.get("route"), "path", "none")
    metrics.HTTP_REQUESTS.add((method if method in METHODS else "other", route, str(status)))
    if route != "/v1/inbox/stream":
        metrics.HTTP_DURATION_S.observe((route,), duration_s)


async def exposition(observer: Observer, accept: str = "") -> Response:
    """Return every metric of this process, and what is wrong now, in the format that the scrape asks for."""
    problems = metrics.PROBLEMS.gauge(count_problems(find_problems(await observer.observe())).items())
    body, content_type = await asyncio.to_thread(metrics.exposition, [problems], accept)
    return Response(body, headers={"Content-Type": content_type})
