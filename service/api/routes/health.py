"""Liveness and readiness of this API process."""

import asyncio

import orjson
import structlog
from fastapi import APIRouter
from starlette.responses import Response

from service.api.deps import Deps, ReadinessCheck
from service.api.representations.schemas import response
from service.ports import Unavailable

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])

_CHECK_S = 2.0
_STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_READY = {
    "type": "object",
    "required": ["status", "reasons"],
    "properties": {
        "status": {"enum": ["ready", "not ready"], "type": "string"},
        "reasons": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


@router.get("/livez", summary="Liveness", responses={200: response(_STATUS)})
async def livez() -> Response:
    """Report that the process responds. No dependency is checked, so an outage of one restarts nothing."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get(
    "/readyz",
    summary="Readiness",
    responses={
        200: response(_READY),
        503: response(_READY, "Not ready; `reasons` has an entry for each dependency that is not."),
    },
)
async def readyz(deps: Deps) -> Response:
    """Report whether requests can be served, with a reason for each dependency that is not ready."""
    results = await asyncio.gather(*(_reason(name, check) for name, check in deps.checks.items()))
    reasons = {name: reason for name, reason in zip(deps.checks, results, strict=True) if reason}
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return Response(orjson.dumps(body), 503 if reasons else 200, media_type="application/json")


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
