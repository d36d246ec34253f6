"""Liveness and readiness of this API process."""

import asyncio
from contextlib import suppress
from typing import Any, Literal

import orjson
import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.deps import Deps, ReadinessCheck
from service.api.representations.schemas import Absent, response, schema_ref
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import Observer, ProblemKind, Severity
from service.ports import Unavailable

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])

_CHECK_S = 2.0
_STALLED_S = 120.0


class Liveness(BaseModel):
    """Whether this process makes progress; `reasons` by part of the process, if it is stalled."""

    status: Literal["ok", "stalled"]
    reasons: dict[str, str] | Absent = None


class ReadinessProblem(BaseModel):
    """What is wrong anywhere in the installation. GET /v1/problems has the details, for operators."""

    kind: ProblemKind
    severity: Severity
    since_ms: int | None


class Readiness(BaseModel):
    """Whether this process can serve requests; `reasons` by dependency.

    `problems` do not change the status: requests are served while no worker runs, or no relay takes mail.
    """

    status: Literal["ready", "not ready"]
    reasons: dict[str, str]
    problems: list[ReadinessProblem]


@router.get(
    "/livez",
    operation_id="get_liveness",
    summary="Liveness",
    responses={
        200: response(schema_ref(Liveness)),
        503: response(
            schema_ref(Liveness), "Stalled; `reasons` has an entry for each part of the process that is."
        ),
    },
)
async def livez(request: Request, deps: Deps) -> Response:
    """Report whether a restart would help: work hangs in this process. An outage of a dependency is no such reason."""
    # Every command and every wait has a timeout, so that minutes without progress are a fault of the process. An event
    # loop that is blocked answers nothing, which a probe takes for a failure too.
    stalls = {**deps.stalls, "inbox streams": request.app.state.hub.stalled_s}
    seconds = {name: stalled_s() for name, stalled_s in stalls.items()}
    reasons = {name: f"no progress for {s:.0f} s" for name, s in seconds.items() if s > _STALLED_S}
    body = {"status": "stalled", "reasons": reasons} if reasons else {"status": "ok"}
    return Response(orjson.dumps(body), 503 if reasons else 200, media_type="application/json")


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Readiness",
    responses={
        200: response(schema_ref(Readiness)),
        503: response(
            schema_ref(Readiness), "Not ready; `reasons` has an entry for each dependency that is not."
        ),
    },
)
async def readyz(deps: Deps) -> Response:
    """Report whether requests can be served, with a reason for each dependency that is not ready."""
    problems, *results = await asyncio.gather(
        _problems(deps.observer), *(_reason(name, check) for name, check in deps.checks.items())
    )
    reasons = {name: reason for name, reason in zip(deps.checks, results, strict=True) if reason}
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons, "problems": problems}
    return Response(orjson.dumps(body), 503 if reasons else 200, media_type="application/json")


async def _problems(observer: Observer) -> list[dict[str, Any]]:
    """Return what is wrong, without the words of a relay or a server: this route asks for no credential."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CHECK_S):
            problems = find_problems(await observer.observe())
            return [
                {name: one.document()[name] for name in ReadinessProblem.model_fields} for one in problems
            ]
    return []


async def _reason(name: str, check: ReadinessCheck) -> str | None:
    """Return why the dependency is not ready, or None; a check that fails or takes too long is a reason too."""
    try:
        async with asyncio.timeout(_CHECK_S):
            return await check()
    except TimeoutError:
        return f"no answer in {_CHECK_S:g} seconds"
    except Unavailable as error:
        return error.reason
    except Exception as error:
        log.exception("readiness_check_failed", check=name)
        return f"the check failed: {type(error).__name__}"
