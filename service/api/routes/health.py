"""Whether the API lives, whether it is ready, and what it measures."""

import asyncio
import logging

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from service.api.deps import Check, Deps
from service.api.docs import answer
from service.api.metrics import exposition
from service.ports import Unavailable

log = logging.getLogger(__name__)
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


@router.get("/livez", summary="Alive", responses={200: answer(_STATUS)})
async def livez() -> Response:
    """The process answers; nothing else is looked at, so that a dependency's outage restarts nothing."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get(
    "/readyz",
    summary="Ready",
    responses={200: answer(_READY), 503: answer(_READY, "Not ready; `reasons` say why.")},
)
async def readyz(deps: Deps) -> Response:
    """Whether requests can be served, with a reason for each thing that is not ready."""
    found = await asyncio.gather(*(_reason(check) for check in deps.checks.values()))
    reasons = {name: reason for name, reason in zip(deps.checks, found, strict=True) if reason}
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return Response(orjson.dumps(body), 503 if reasons else 200, media_type="application/json")


@router.get(
    "/metrics",
    summary="Metrics",
    responses={200: answer({"type": "string"}, "Prometheus text.", "text/plain")},
)
async def metrics() -> Response:
    """What Prometheus reads."""
    return exposition()


async def _reason(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_S):
            return await check()
    except TimeoutError:
        return f"no answer in {_CHECK_S:g} seconds"
    except Unavailable as error:
        return error.reason
    except Exception as error:
        log.exception("a readiness check failed")
        return f"the check failed: {type(error).__name__}"
