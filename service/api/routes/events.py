"""POST /v1/events: CloudEvents over HTTP (HTTP protocol binding 1.0.2), for upstreams without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from service.api.auth.guard import MayPublish
from service.api.deps import ApiDeps, Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import ApiError
from service.api.middleware import MAX_BODY
from service.model.event import Event, InvalidEvent, Withdrawal
from service.model.reasons import DeadReason
from service.model.record import Headers, Message
from service.pipeline.resolve import ingest, strict_json
from service.ports import IdempotencyState

router = APIRouter(prefix="/v1", tags=["events"])

_STRUCTURED, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_STATUS = {DeadReason.too_large: 413, DeadReason.unsupported_content_type: 415}
_PASSED_ON = ("traceparent", "tracestate")
_EVENT = {
    "type": "object",
    "required": ["id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string"},
        "type": {
            "type": "string",
            "description": "A notification type, with or without a reverse-DNS prefix.",
        },
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
    "additionalProperties": True,
}
_BODY = json_body(_EVENT, _STRUCTURED, "application/json")
_BODY["requestBody"]["content"][_BATCH] = {"schema": {"type": "array", "items": _EVENT}}


class Accepted(BaseModel):
    """An event that is in the log. `key` names it in the ledger."""

    source: str
    id: str
    key: str


class AcceptedEvents(BaseModel):
    """The events of a request, in their order."""

    accepted: list[Accepted]


@dataclass(frozen=True, slots=True)
class _Given:
    """An event as it goes to Kafka, and how it reads."""

    value: bytes | None
    headers: Headers
    event: Event | Withdrawal


@router.post(
    "/events",
    status_code=202,
    summary="Publish events",
    responses={202: answer(ref(AcceptedEvents)), **refusals(400, 401, 403, 409, 413, 415, 422, 429, 503)},
    openapi_extra=_BODY,
)
async def publish(
    request: Request,
    principal: MayPublish,
    deps: Deps,
    idempotency_key: Annotated[str | None, Header(description="Remembered for a day.")] = None,
) -> Response:
    """One event (structured, binary with `ce-` headers, or bare JSON) or a batch, all of it or nothing.

    202 says that Kafka has it. An event that would be a dead letter is refused with that reason in `reason`.
    An event that was published before is accepted, and has no second effect.
    """
    body = await request.body()
    if idempotency_key is None:
        return _accepted(await _publish(deps, _read(request, body, deps)))
    if not 0 < len(idempotency_key) <= 255:
        raise ApiError(400, "An Idempotency-Key has 1 to 255 characters.", code="idempotency-key")
    key, fingerprint = f"{principal.name}:{idempotency_key}", _fingerprint(request, body)
    known = await deps.idempotency.begin(key, fingerprint)
    if known.repeat is IdempotencyState.done:
        return _accepted(known.answer, repeated=True)
    _refuse_repeat(known.repeat)
    try:
        text = await _publish(deps, _read(request, body, deps))
        await deps.idempotency.finish(key, fingerprint, text)
    except BaseException:
        await deps.idempotency.release(key)
        raise
    return _accepted(text)


async def _publish(deps: ApiDeps, given: Sequence[_Given]) -> bytes:
    """Publish; the answer's body once all are acknowledged."""
    await deps.publisher.publish(
        [Message(deps.events_topic, _key(one.event), one.value, one.headers) for one in given]
    )
    events = (one.event for one in given)
    return orjson.dumps({"accepted": [{"source": e.source, "id": e.id, "key": e.key} for e in events]})


def _read(request: Request, body: bytes, deps: ApiDeps) -> list[_Given]:
    """The events of a request. Raises ApiError with the dead letter's reason."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _BATCH:
        return [_one(body, _headers(request), deps)]
    headers = ((b"content-type".decode(), _STRUCTURED.encode()),)
    try:
        batch = strict_json.loads(body, MAX_BODY)
    except InvalidEvent as error:
        raise _refused(error) from None
    if not isinstance(batch, list):
        raise ApiError(400, "A batch must be a JSON array.", code="invalid-event")
    return [_one(orjson.dumps(event), headers, deps, index) for index, event in enumerate(batch)]


def _one(value: bytes, headers: Headers, deps: ApiDeps, index: int | None = None) -> _Given:
    try:
        event = ingest.parse(value, headers, deps.catalogue, deps.clock.now_ms())
    except InvalidEvent as error:
        raise _refused(error, index) from None
    return _Given(value, headers, event)


def _headers(request: Request) -> Headers:
    """HTTP headers as Kafka's binding has them: `ce-id` is `ce_id`, without percent-encoding (3.1.3.2)."""
    found = [("content-type", request.headers.get("content-type", "application/json").encode("latin-1"))]
    for name, value in request.headers.items():
        if name.startswith("ce-"):
            found.append((f"ce_{name[3:]}", unquote_to_bytes(value.encode("latin-1"))))
        elif name in _PASSED_ON:
            found.append((name, value.encode("latin-1")))
    return found


def _key(event: Event | Withdrawal) -> bytes:
    """The record's key: the partitionkey extension, else the event's own."""
    key = event.extensions.get("partitionkey")
    return (key if isinstance(key, str) and key else event.key).encode()


def _refused(error: InvalidEvent, index: int | None = None) -> ApiError:
    extra: dict[str, Any] = {"reason": error.reason.value}
    if index is not None:
        extra["index"] = index
    return ApiError(_STATUS.get(error.reason, 422), str(error), code="invalid-event", extra=extra)


def _refuse_repeat(repeat: IdempotencyState) -> None:
    if repeat is IdempotencyState.mismatch:
        raise ApiError(
            422, "The Idempotency-Key was used for another request.", code="idempotency-key-reused"
        )
    if repeat is IdempotencyState.running:
        detail = "The request with this Idempotency-Key is not finished yet."
        raise ApiError(409, detail, code="idempotency-key-running", headers={"Retry-After": "1"})


def _fingerprint(request: Request, body: bytes) -> str:
    digest = sha256(body)
    for name, value in sorted(request.headers.items()):
        if name.startswith("ce-") or name == "content-type":
            digest.update(f"\0{name}\0{value}".encode())
    return digest.hexdigest()


def _accepted(text: bytes, *, repeated: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if repeated else None
    return Response(text, 202, headers, "application/json")
