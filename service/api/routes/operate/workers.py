"""GET /v1/workers and GET /v1/problems: the workers with their stages and relays, and what is wrong now."""

from fastapi import APIRouter
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations
from service.api.deps import Deps
from service.api.representations.operation_state import ProblemList, WorkerList
from service.api.representations.schemas import error_responses, response, schema_ref
from service.api.routes.operate.access import document
from service.pipeline.operate.problem_rules import find_problems
from service.ports import Unavailable

router = APIRouter(prefix="/v1", tags=["workers"])


@router.get(
    "/workers",
    operation_id="list_workers",
    summary="List workers",
    responses={200: response(schema_ref(WorkerList)), **error_responses(401, 403, 429, 503)},
)
async def list_workers(*, principal: MayReadOperations, deps: Deps) -> Response:
    """Return the workers that run, with their stages, the services beside the stages, and their relays.

    Each worker reports every two seconds; one that has died is left out 15 seconds later. Times are milliseconds since
    the epoch.
    """
    seen = await deps.observer.observe()
    if seen.redis:
        raise Unavailable(seen.redis)
    return await document(
        {"workers": [worker.model_dump(mode="json") for worker in seen.reports]}, personal=True
    )


@router.get(
    "/problems",
    operation_id="list_problems",
    summary="List what is wrong now",
    responses={200: response(schema_ref(ProblemList)), **error_responses(401, 403, 429, 503)},
)
async def list_problems(*, principal: MayReadOperations, deps: Deps) -> Response:
    """Return what is wrong now, with since when, why, and what to do; the most severe and the first to solve first.

    The list is empty where nothing is wrong. `tocsin doctor` says the same, and checks the settings too.
    """
    problems = find_problems(await deps.observer.observe())
    return await document({"problems": [problem.document() for problem in problems]}, personal=True)
