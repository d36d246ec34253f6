"""Pieces of the OpenAPI document: FastAPI cannot know bodies that are read and written by our own rules."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.errors import JSON_API, PROBLEM

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

MODELS: list[type[BaseModel]] = []
"""Models that the document's components must hold."""

_TEXT = {
    400: "The request is malformed.",
    401: "There is no credential, or it proves nothing.",
    403: "The credential does not allow this.",
    404: "There is none, or it is another's.",
    406: "None of the media types that Accept asks for can be sent.",
    409: "The state of things forbids it.",
    413: "The body is larger than 1 MiB.",
    415: "The body's media type is not one of those documented.",
    422: "The body is JSON, but not as documented; `errors` name the fields.",
    429: "Too many requests; Retry-After says when to go on.",
    503: "A part that the request needs is away; Retry-After says when to try again.",
}


class ProblemField(BaseModel):
    """One thing that is wrong: `pointer` into the body, or `parameter` of the query."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:tocsin:problem:not-found"])
    title: str
    status: int
    detail: str
    errors: list[ProblemField] | None = None


class JsonApiSource(BaseModel):
    """Where an error is."""

    pointer: str | None = None
    parameter: str | None = None


class JsonApiError(BaseModel):
    """An error object of JSON:API."""

    status: str
    title: str
    detail: str
    code: str | None = None
    source: JsonApiSource | None = None


class JsonApiErrors(BaseModel):
    """A refusal (JSON:API 1.1)."""

    errors: list[JsonApiError] = Field(min_length=1)


class CountAttributes(BaseModel):
    """How many entries of a type are unread."""

    count: int = Field(ge=1)
    type_str: str


class Count(BaseModel):
    """The id is the type's number, or its name where it has none."""

    type: Literal["notifications"]
    id: str
    attributes: CountAttributes


class Counts(BaseModel):
    """Types with unread entries."""

    data: list[Count]


class NotificationAttributes(BaseModel):
    """An inbox entry; `type` is null for types without a number."""

    type: int | None
    type_str: str
    meta: dict[str, Any]
    created_at: str = Field(examples=["2019-04-08T14:17:37Z"])
    read_at: str | None = Field(default=None, description="Only where entries that were read are asked for.")


class Notification(BaseModel):
    """An inbox entry as a resource."""

    type: Literal["notifications"]
    id: str
    attributes: NotificationAttributes


class PageLinks(BaseModel):
    """Where the next page is; null on the last."""

    next: str | None


class Notifications(BaseModel):
    """Inbox entries; `links` only where paging was asked for."""

    data: list[Notification]
    links: PageLinks | None = None


class NotificationId(BaseModel):
    """Names an entry."""

    type: Literal["notifications"]
    id: str = Field(min_length=1)


class NotificationIds(BaseModel):
    """The entries to mark."""

    data: list[NotificationId]


def ref(model: type[BaseModel]) -> Schema:
    """A reference to a model's schema."""
    if model not in MODELS:
        MODELS.append(model)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def answer(
    schema: Schema, description: str = "Success.", media_type: str = "application/json"
) -> dict[str, Any]:
    """A documented answer with a body."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def refusals(*statuses: int, json_api: bool = False) -> Responses:
    """The documented refusals of a route."""
    media_type, model = (JSON_API, JsonApiErrors) if json_api else (PROBLEM, Problem)
    return {status: answer(ref(model), _TEXT[status], media_type) for status in statuses}


def json_body(schema: Schema, *media_types: str, required: bool = True) -> dict[str, Any]:
    """The documented body of a request, as `openapi_extra`."""
    content = {media_type: {"schema": schema} for media_type in media_types or ("application/json",)}
    return {"requestBody": {"required": required, "content": content}}


def parameter(name: str, schema: Mapping[str, Any], description: str) -> Schema:
    """An optional parameter of the query."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": dict(schema),
    }


COUNTS = answer(ref(Counts), media_type=JSON_API)
NOTIFICATIONS = answer(ref(Notifications), media_type=JSON_API)
MARK = ref(NotificationIds)
_STATUS_SCHEMA = {"enum": ["unread", "read", "all"], "type": "string", "default": "unread"}
NOTIFICATIONS_QUERY = [
    parameter(
        "sort",
        {"enum": ["created_at", "-created_at"], "type": "string", "default": "created_at"},
        "The order.",
    ),
    parameter("filter[status]", _STATUS_SCHEMA, "Which entries."),
    parameter("status", _STATUS_SCHEMA, "The same as filter[status]."),
    parameter("filter[type]", {"type": "string"}, "Types by number or name, separated by commas."),
    parameter(
        "page[size]", {"type": "integer", "minimum": 1, "maximum": 1000}, "Asks for pages of this size."
    ),
    parameter(
        "page[after]", {"type": "string"}, "Asks for the page after this cursor, which `links.next` has."
    ),
]
