"""Dead letters: list and show them, write them back to their topics once the cause is fixed, or discard them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations, MayWriteOperations
from service.api.auth.principal import Principal
from service.api.deps import Deps
from service.api.errors import ApiError, body_error, not_found
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import Absent, error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import (
    After,
    Limit,
    Personal,
    Services,
    Since,
    bad_cursor,
    check_personal,
    document,
    time_ms,
)
from service.api.routes.operate.operations import BEGUN, begun
from service.model.mask import mask_text
from service.model.operation import OperationKind
from service.pipeline.operate.cursors import cursor_of, positions_in
from service.pipeline.operate.dead_letters import (
    DeadLetterFilter,
    DeadLetterSurvey,
    KnownDeadLetter,
    UnknownDeadLetter,
    status_name,
)
from service.pipeline.operate.services import OperatorServices

router = APIRouter(prefix="/v1/dead-letters", tags=["dead-letters"])

Status = Literal["open", "redriven", "discarded"]
Names = list[str]


class DeadLetterRow(BaseModel):
    """A dead letter without its record. `by` and `done_ms`: who redrove or discarded it, and when."""

    id: str
    at_ms: int
    state: Status
    reason: str = Field(description="As docs/reasons.md lists them.")
    detail: str
    type: str = Field(description="The notification type; empty where the record has none.")
    stage: str
    topic: str = Field(description="Where the record came from.")
    place: str = Field(description="Its partition and offset there.")
    by: str | Absent = None
    done_ms: int | Absent = None


class DeadLetterView(DeadLetterRow):
    """A dead letter with its record. Bytes that are not UTF-8 are escaped."""

    key: str | None
    headers: dict[str, str]
    value: str | None
    partial: bool = Field(description="Only the first bytes are here; the whole record is in its topic.")
    size_bytes: int | None = Field(description="The size of the whole value, if it is known.")


class DeadLetterList(BaseModel):
    """Dead letters, newest first. A page may be short, even empty, and have a `next` one."""

    dead_letters: list[DeadLetterRow]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")


class DeadLetterChoice(BaseModel):
    """Dead letters to change: by their ids, by filters, or `all`. With `dry_run` they are only counted."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = Field(default=[], max_length=1000)
    reasons: Names = []
    types: Names = []
    stages: Names = []
    topics: Names = []
    since_ms: int = Field(default=0, ge=0, lt=2**53)
    all: bool = False
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_choice(self) -> "DeadLetterChoice":
        filters = bool(self.reasons or self.types or self.stages or self.topics or self.since_ms)
        if bool(self.ids) + filters + self.all != 1:
            raise ValueError("needs one of: ids, filters, or all")
        return self

    def chosen(self) -> DeadLetterFilter:
        """Return the filter. Raise ValueError for what is no id."""
        return DeadLetterFilter(
            frozenset(self.ids),
            frozenset(self.reasons),
            frozenset(self.types),
            frozenset(self.stages),
            frozenset(self.topics),
            since_ms=self.since_ms,
        )


class DeadLetterCount(BaseModel):
    """How many dead letters have the same reason, stage and type."""

    reason: str
    stage: str
    type: str
    count: int


class DeadLetterPlan(BaseModel):
    """What a change would affect: the open dead letters by what they are; `closed` ones are left alone."""

    total: int
    closed: int
    counts: list[DeadLetterCount]


_PLAN = response(
    schema_ref(DeadLetterPlan), "What would be changed; nothing was (`dry_run`, or nothing is open)."
)
_CHANGE_ERRORS = error_responses(400, 401, 403, 404, 413, 422, 429, 501, 503)


@router.get(
    "",
    operation_id="list_dead_letters",
    summary="List dead letters",
    responses={200: response(schema_ref(DeadLetterList)), **error_responses(400, 401, 403, 429, 501, 503)},
)
async def list_dead_letters(
    *,
    principal: MayReadOperations,
    services: Services,
    reason: Annotated[Names | None, Query(description="Only these reasons; repeatable.")] = None,
    type: Annotated[Names | None, Query(description="Only these notification types; repeatable.")] = None,
    stage: Annotated[Names | None, Query(description="Only from these stages; repeatable.")] = None,
    topic: Annotated[Names | None, Query(description="Only from these topics; repeatable.")] = None,
    state: Annotated[list[Status] | None, Query(description="Only these states; repeatable.")] = None,
    since: Since = "",
    limit: Limit = 100,
    after: After = "",
) -> Response:
    """List dead letters, newest first. A page searches 50,000 of them at most."""
    chosen = DeadLetterFilter(
        reasons=frozenset(reason or ()),
        types=frozenset(type or ()),
        stages=frozenset(stage or ()),
        topics=frozenset(topic or ()),
        states=frozenset(state or ()),
        since_ms=time_ms("since", since, 0),
    )
    try:
        before = positions_in(after, {services.topics.dead_letter}) if after else None
    except ValueError:
        raise bad_cursor() from None
    page = await services.dead_letters.page(chosen, limit, before)
    return await document(
        {
            "dead_letters": [dead_letter_row(one) for one in page.dead_letters],
            "next": cursor_of(page.before) if page.before is not None else None,
        }
    )


@router.get(
    "/{id}",
    operation_id="get_dead_letter",
    summary="Get a dead letter",
    responses={
        200: response(schema_ref(DeadLetterView)),
        **error_responses(400, 401, 403, 404, 429, 501, 503),
    },
)
async def get_dead_letter(
    principal: MayReadOperations,
    deps: Deps,
    services: Services,
    id: Annotated[str, Path(max_length=300, description="The dead letter's id.")],
    personal: Personal = False,
) -> Response:
    """Get one dead letter with its record: key, headers and value as they came."""
    try:
        known = await services.dead_letters.find(id)
    except (ValueError, UnknownDeadLetter):
        raise not_found("dead letter") from None
    await check_personal(deps, principal, personal, {"dead_letter": known.dead_letter.id})
    return await document(dead_letter_document(known), personal=personal)


@router.post(
    "/redrive",
    operation_id="redrive_dead_letters",
    summary="Redrive dead letters",
    responses={200: _PLAN, 202: BEGUN, **_CHANGE_ERRORS},
    openapi_extra=request_body(schema_ref(DeadLetterChoice)),
)
async def redrive(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Write records back to their topics, byte for byte. Fix the cause first.

    It is begun in the background and recorded on `dispatch.audit`. Redriving again does no harm.
    """
    return await _change(request, principal, services, OperationKind.redrive)


@router.post(
    "/discard",
    operation_id="discard_dead_letters",
    summary="Discard dead letters",
    responses={200: _PLAN, 202: BEGUN, **_CHANGE_ERRORS},
    openapi_extra=request_body(schema_ref(DeadLetterChoice)),
)
async def discard(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Mark dead letters as discarded. They stay readable until the retention of their topic is over."""
    return await _change(request, principal, services, OperationKind.discard)


async def _change(
    request: Request, principal: Principal, services: OperatorServices, kind: OperationKind
) -> Response:
    form = parse_model(DeadLetterChoice, await read_json(request))
    try:
        chosen = form.chosen()
        survey = await services.dead_letters.survey(chosen)
    except ValueError as error:
        raise body_error(f"{error}.", "/ids") from None
    except UnknownDeadLetter as error:
        raise ApiError(404, f"{str(error).capitalize()}.", code="not-found") from None
    if form.dry_run or not survey.total:
        return await document(survey_document(survey))
    id_ = await services.begin_dead_letter_change(principal.name, kind, chosen, survey.total)
    return await begun(services, id_)


def dead_letter_row(known: KnownDeadLetter) -> dict[str, Any]:
    """Return a dead letter as JSON without its record."""
    dead_letter, status = known
    row: dict[str, Any] = {
        "id": dead_letter.id,
        "at_ms": dead_letter.record.timestamp_ms,
        "state": status_name(status),
        "reason": dead_letter.reason,
        "detail": mask_text(dead_letter.detail),
        "type": dead_letter.type,
        "stage": dead_letter.stage,
        "topic": dead_letter.topic,
        "place": dead_letter.place,
    }
    return row if status is None else row | {"by": status.operator, "done_ms": status.at_ms}


def dead_letter_document(known: KnownDeadLetter) -> dict[str, Any]:
    """Return a dead letter as JSON with its record."""
    dead_letter = known.dead_letter
    key, value = dead_letter.record.key, dead_letter.record.value
    return {
        **dead_letter_row(known),
        "key": None if key is None else _text(key),
        "headers": {name: _text(header or b"") for name, header in dead_letter.headers},
        "value": None if value is None else _text(value),
        "partial": dead_letter.partial,
        "size_bytes": dead_letter.size if dead_letter.partial else len(value or b""),
    }


def survey_document(survey: DeadLetterSurvey) -> dict[str, Any]:
    """Return a survey as JSON."""
    return {
        "total": survey.total,
        "closed": survey.closed,
        "counts": [
            {"reason": reason, "stage": stage, "type": type_, "count": count}
            for (reason, stage, type_), count in sorted(survey.counts.items())
        ],
    }


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
