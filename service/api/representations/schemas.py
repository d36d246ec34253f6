"""Schemas and helpers for the OpenAPI document, for bodies that FastAPI does not parse or render itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from service.api.errors import JSON_API, PROBLEM

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]
Absent = SkipJsonSchema[None]
"""The type of a field without a value where the field is left out rather than null."""

MODELS: list[type[BaseModel]] = []
"""Models to include in the document's components; `schema_ref` adds to it."""

_ERROR_DESCRIPTIONS = {
    400: "The request is malformed.",
    401: "The credential is missing or not valid.",
    403: "The credential does not allow this operation.",
    404: "The resource does not exist, or it belongs to another caller.",
    406: "None of the media types in Accept can be produced.",
    409: "The request conflicts with the current state of the resource.",
    408: "The request took too long to arrive.",
    412: "If-Match or If-None-Match does not hold for the current version.",
    413: "The body is larger than 1 MiB.",
    414: "The path and the query are too long.",
    415: "The media type of the body is not one of those documented.",
    422: "The body is JSON but does not match the documented schema; `errors` lists the invalid fields.",
    429: "Too many requests; Retry-After gives the number of seconds to wait.",
    431: "The header fields are too large or too many.",
    501: "The operator has not configured what this operation needs.",
    503: "A dependency is unavailable; Retry-After gives the number of seconds to wait.",
}


class ProblemField(BaseModel):
    """An invalid field: `pointer` into the body, or the name of a query `parameter`."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:tocsin:problem:not-found"])
    title: str
    status: int
    detail: str
    errors: list[ProblemField] | None = None


class JsonApiSource(BaseModel):
    """The location of an error: `pointer` into the body, or the name of a query `parameter`."""

    pointer: str | None = None
    parameter: str | None = None


class JsonApiError(BaseModel):
    """A JSON:API error object."""

    status: str
    title: str
    detail: str
    code: str | None = None
    source: JsonApiSource | None = None


class JsonApiErrors(BaseModel):
    """An error response (JSON:API 1.1)."""

    errors: list[JsonApiError] = Field(min_length=1)


class CountAttributes(BaseModel):
    """The number of unread entries of a notification type."""

    count: int = Field(ge=1)
    type_str: str


class Count(BaseModel):
    """Unread entries of a notification type. The id is the type's number, or its name if it has no number."""

    type: Literal["notifications"]
    id: str
    attributes: CountAttributes


class Counts(BaseModel):
    """Notification types that have unread entries."""

    data: list[Count]


class NotificationAttributes(BaseModel):
    """An inbox entry; `type` is null for types without a number."""

    type: int | None
    type_str: str
    meta: dict[str, Any]
    created_at: datetime = Field(examples=["2019-04-08T14:17:37Z"])
    read_at: datetime | None = Field(
        default=None, description="Present only if the filter includes read entries."
    )


class NotificationText(BaseModel):
    """What a person reads of an inbox entry."""

    line: str = Field(
        description="One line of plain text, in the recipient's language at the time of the event.",
        examples=["New high bidder on lot 1."],
    )
    link: str | None = Field(
        description="The page that the entry is about, below the operator's site; null if the type has none.",
        examples=["https://tocsin.test/lots/1"],
    )


class Notification(BaseModel):
    """An inbox entry as a resource."""

    type: Literal["notifications"]
    id: str
    attributes: NotificationAttributes
    meta: NotificationText


class PageLinks(BaseModel):
    """The link to the next page; null on the last page."""

    next: str | None


class Notifications(BaseModel):
    """Inbox entries; `links` is present only if the request asks for pages."""

    data: list[Notification]
    links: PageLinks | None = None


class NotificationId(BaseModel):
    """The identifier of an inbox entry."""

    type: Literal["notifications"]
    id: str = Field(min_length=1)


class NotificationIds(BaseModel):
    """Identifiers of inbox entries."""

    data: list[NotificationId]


def schema_ref(model: type[BaseModel]) -> Schema:
    """Return a reference to the model's schema, and register the model as a component."""
    if model not in MODELS:
        MODELS.append(model)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def response(
    schema: Schema, description: str = "Success.", media_type: str = "application/json"
) -> dict[str, Any]:
    """Return the documentation of a response with a body."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def error_responses(*statuses: int, json_api: bool = False) -> Responses:
    """Return the documentation of a route's error responses."""
    media_type, model = (JSON_API, JsonApiErrors) if json_api else (PROBLEM, Problem)
    schema = schema_ref(model)
    return {status: response(schema, _ERROR_DESCRIPTIONS[status], media_type) for status in statuses}


def request_body(schema: Schema, *media_types: str, required: bool = True) -> dict[str, Any]:
    """Return the documentation of a request body, for `openapi_extra`."""
    content = {media_type: {"schema": schema} for media_type in media_types or ("application/json",)}
    return {"requestBody": {"required": required, "content": content}}


def query_parameter(name: str, schema: Mapping[str, Any], description: str) -> Schema:
    """Return the documentation of an optional query parameter."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": dict(schema),
    }


COUNTS = response(schema_ref(Counts), media_type=JSON_API)
NOTIFICATIONS = response(schema_ref(Notifications), media_type=JSON_API)
NOTIFICATION_IDS = schema_ref(NotificationIds)
# Without a default in the schema: clients send it, and of two names for a parameter only one may be sent.
_STATUS = {"enum": ["unread", "read", "all"], "type": "string"}
NOTIFICATIONS_QUERY = [
    query_parameter(
        "sort",
        {"enum": ["created_at", "-created_at"], "type": "string", "default": "created_at"},
        "The sort order; a minus sign sorts newest first.",
    ),
    query_parameter("filter[status]", _STATUS, "Include unread entries (the default), read entries, or all."),
    query_parameter("status", _STATUS, "Another name for filter[status]."),
    query_parameter("filter[type]", {"type": "string"}, "Types by number or name, separated by commas."),
    query_parameter(
        "page[size]",
        {"type": "integer", "minimum": 1, "maximum": 1000},
        "The number of entries in a page; turns paging on.",
    ),
    query_parameter(
        "page[after]", {"type": "string"}, "The cursor in `links.next` of the previous page; turns paging on."
    ),
]
