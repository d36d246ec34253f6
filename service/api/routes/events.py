"""POST /v1/events: CloudEvents over HTTP (HTTP protocol binding 1.0.2), for upstream services without Kafka."""

import re
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
from service.api.errors import ApiError
from service.api.protocol.connection_limits import MAX_BODY_BYTES
from service.api.representations.cloud_event import CloudEvent
from service.api.representations.listing import in_slices
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.model.event import Event, InvalidEvent, Withdrawal
from service.model.keys import joined_key
from service.model.reasons import DeadReason
from service.model.record import Headers, Message
from service.pipeline.resolve import ingest, strict_json
from service.ports import IdempotencyState

router = APIRouter(prefix="/v1", tags=["events"])

_STRUCTURED, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_STATUS = {DeadReason.too_large: 413, DeadReason.unsupported_content_type: 415}
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_TRACE_HEADERS = ("traceparent", "tracestate")
_EVENT = schema_ref(CloudEvent)
_BODY = request_body(_EVENT, _STRUCTURED, "application/json")
_BODY["requestBody"]["content"][_BATCH] = {"schema": {"type": "array", "items": _EVENT}}


class Accepted(BaseModel):
    """A published event. `key` identifies it in the ledger."""

    source: str
    id: str
    key: str


class AcceptedEvents(BaseModel):
    """The published events, in the order of the request."""

    accepted: list[Accepted]


@dataclass(frozen=True, slots=True)
class _EventRecord:
    """Value and headers of the event's Kafka record, and the event parsed from them."""

    value: bytes | None
    headers: Headers
    event: Event | Withdrawal


@router.post(
    "/events",
    status_code=202,
    operation_id="publish_events",
    summary="Publish events",
    responses={
        202: response(schema_ref(AcceptedEvents)),
        **error_responses(400, 401, 403, 409, 413, 415, 422, 429, 503),
    },
    openapi_extra=_BODY,
)
async def publish(
    request: Request,
    principal: MayPublish,
    deps: Deps,
    idempotency_key: Annotated[
        str | None,
        Header(description="Identifies the request; a repeat within a day gets the first response again."),
    ] = None,
) -> Response:
    """Publish one event (structured, binary with `ce-` headers, or bare JSON), or a batch, as a whole or not at all.

    202 means that Kafka has acknowledged every event. An event that cannot be processed is refused; `reason` is the
    reason that its dead letter would have. An event that was published before, by its `source` and `id`, is accepted
    and has no second effect.
    """
    body = await request.body()
    if idempotency_key is None:
        return _accepted(await _publish(deps, await _parse_request(request, body, deps)))
    if not 0 < len(idempotency_key) <= 255:
        raise ApiError(400, "An Idempotency-Key has 1 to 255 characters.", code="idempotency-key")
    key, fingerprint = joined_key(principal.name, idempotency_key), _fingerprint(request, body)
    earlier = await deps.idempotency.begin(key, fingerprint)
    if earlier.repeat is IdempotencyState.done:
        return _accepted(earlier.answer, replayed=True)
    _check_first(earlier.repeat)
    try:
        text = await _publish(deps, await _parse_request(request, body, deps))
        await deps.idempotency.finish(key, fingerprint, text)
    except BaseException:
        # Also when the request is cancelled: a key that stays claimed would answer 409 to every repeat. If Kafka has
        # the events already, publishing them again has no effect, because they have the same source and id.
        await deps.idempotency.release(key)
        raise
    return _accepted(text)


async def _publish(deps: ApiDeps, records: Sequence[_EventRecord]) -> bytes:
    """Publish the events; return the response body once Kafka has acknowledged all of them."""
    await deps.publisher.publish(
        [
            Message(deps.events_topic, _record_key(record.event), record.value, record.headers)
            for record in records
        ]
    )
    events = (record.event for record in records)
    return orjson.dumps({"accepted": [{"source": e.source, "id": e.id, "key": e.key} for e in events]})


async def _parse_request(request: Request, body: bytes, deps: ApiDeps) -> list[_EventRecord]:
    """Return the events of a request. Raise ApiError with the reason of the first invalid one.

    Between the events of a large batch, other requests are served.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _BATCH:
        return [_parse_event(body, _record_headers(request), deps)]
    headers = (("content-type", _STRUCTURED.encode()),)
    try:
        batch = strict_json.loads(body, MAX_BODY_BYTES)
    except InvalidEvent as error:
        raise _event_error(error) from None
    if not isinstance(batch, list):
        raise ApiError(400, "A batch must be a JSON array.", code="invalid-event")
    records: list[_EventRecord] = []
    async for index, event in in_slices(enumerate(batch)):
        records.append(_parse_event(orjson.dumps(event), headers, deps, index))
    return records


def _parse_event(value: bytes, headers: Headers, deps: ApiDeps, index: int | None = None) -> _EventRecord:
    try:
        now_ms, bound = deps.clock.now_ms(), deps.settings.clock_bound
        event = ingest.parse(value, headers, deps.catalogue, now_ms, bound=bound)
    except InvalidEvent as error:
        raise _event_error(error, index) from None
    return _EventRecord(value, headers, event)


def _record_headers(request: Request) -> Headers:
    """Return the record's headers by the Kafka binding: `ce-id` becomes `ce_id`.

    Values are read as section 3.1.3.2 of the HTTP binding has it: a quoted string is unquoted, then percent-decoded.
    """
    headers = [("content-type", request.headers.get("content-type", "application/json").encode("latin-1"))]
    for name, value in request.headers.items():
        if name.startswith("ce-"):
            headers.append((f"ce_{name[3:]}", unquote_to_bytes(_octets(_unquoted(value)))))
        elif name in _TRACE_HEADERS:
            headers.append((name, value.encode("latin-1")))
    return headers


def _unquoted(value: str) -> str:
    """Return the content of a quoted string (RFC 9110 section 5.6.4); any other value as it is."""
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if _QUOTED_STRING.fullmatch(value) else value


def _octets(value: str) -> bytes:
    """Return a header value in UTF-8. Some SDKs do not percent-encode it: their clients send UTF-8 or ISO 8859-1."""
    octets = value.encode("latin-1")
    if octets.isascii():
        return octets
    try:
        octets.decode()
    except UnicodeDecodeError:
        return value.encode()
    return octets


def _record_key(event: Event | Withdrawal) -> bytes:
    """Return the record's key: the partitionkey extension, or the event's own key."""
    key = event.extensions.get("partitionkey")
    return (key if isinstance(key, str) and key else event.key).encode()


def _event_error(error: InvalidEvent, index: int | None = None) -> ApiError:
    extra: dict[str, Any] = {"reason": error.reason.value}
    if index is not None:
        extra["index"] = index
    return ApiError(_STATUS.get(error.reason, 422), str(error), code="invalid-event", extra=extra)


def _check_first(state: IdempotencyState) -> None:
    """Raise ApiError when the Idempotency-Key belongs to another request, or to one that is still running."""
    if state is IdempotencyState.mismatch:
        raise ApiError(
            422, "The Idempotency-Key was used for another request.", code="idempotency-key-reused"
        )
    if state is IdempotencyState.running:
        detail = "The request with this Idempotency-Key is not finished yet."
        raise ApiError(409, detail, code="idempotency-key-running", headers={"Retry-After": "1"})


def _fingerprint(request: Request, body: bytes) -> str:
    """Return a hash of the body and of the headers that make the event."""
    digest = sha256(b"%d\n" % len(body) + body)
    for name, value in sorted(request.headers.items()):
        if name.startswith("ce-") or name == "content-type":
            digest.update(f"{name}: {value}\n".encode())  # neither contains a line feed
    return digest.hexdigest()


def _accepted(text: bytes, *, replayed: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else None
    return Response(text, 202, headers, "application/json")
