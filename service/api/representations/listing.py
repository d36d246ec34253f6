"""Listings paged by limit and offset, in the format of the contacts document."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, NamedTuple, TypeVar

import orjson
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from service.api.auth.principal import Principal
from service.api.rate_limits import enforce_rate_limit

T = TypeVar("T")
DEFAULT_LIMIT = 20
_MAX_NUMBER = 2**53
_ROWS_A_PART = 200
_OBJECTS_A_PART = 2000
_OBJECTS_A_REQUEST = 1000  # each further thousand counts as a request
JSON_UTF8 = "application/json; charset=utf-8"


class AccountJson(JSONResponse):
    """JSON with the media type that the contacts document shows."""

    media_type = JSON_UTF8

    def render(self, content: Any) -> bytes:
        """Return the content as JSON, encoded by orjson."""
        return orjson.dumps(content)


class FieldDescription(BaseModel):
    """A field of a resource; `blank`: it may be left out or empty."""

    blank: bool
    help_text: str
    nullable: bool
    readonly: bool
    type: str
    unique: bool


class ResourceDescription(BaseModel):
    """A resource as the contacts document's clients read it, with its methods by path."""

    allowed_detail_http_methods: list[str]
    allowed_list_http_methods: list[str]
    default_format: str
    default_limit: int
    fields: dict[str, FieldDescription]


class ListingMeta(BaseModel):
    """The page that was requested, and the number of objects in all pages."""

    limit: int = Field(ge=0)
    offset: int = Field(ge=0)
    total_count: int = Field(ge=0)


class PageQuery(NamedTuple):
    """The requested part of a listing; a limit of 0 means all objects from the offset on."""

    limit: int
    offset: int


async def _page_query(
    limit: Annotated[
        int, Query(ge=0, le=_MAX_NUMBER, description="The maximum number of objects; 0 for all.")
    ] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=_MAX_NUMBER, description="The number of objects to skip.")] = 0,
) -> PageQuery:
    return PageQuery(limit, offset)


PageParam = Annotated[PageQuery, Depends(_page_query)]


async def listing(
    page: PageQuery,
    total: int,
    rows: Sequence[T],
    objects_of: Callable[[T], Sequence[Any]],
    *,
    skipped: int = 0,
) -> Response:
    """Return a listing of one page; `total` is the number of objects in all pages.

    `objects_of` makes the objects of a row; `skipped` are those of the first row that come before the page. A listing
    of many objects is made and sent in parts, so that neither its time nor its size holds up other requests.
    """
    meta = {"limit": page.limit, "offset": page.offset, "total_count": total}
    parts = _parts(rows, objects_of, skipped, page.limit or None)
    if len(rows) <= _ROWS_A_PART:
        return AccountJson({"meta": meta, "objects": [each for part in parts for each in part]})
    return StreamingResponse(_text(meta, parts), media_type=JSON_UTF8)


async def charge_for_objects(request: Request, account: Principal, number: int) -> None:
    """Count a request of many objects as that many more requests. Raise ApiError 429."""
    if cost := number // _OBJECTS_A_REQUEST:
        await enforce_rate_limit(request, "account", account.name, cost=cost)


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items; let other tasks run now and then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _ROWS_A_PART == 0:
            await asyncio.sleep(0)


def _parts(
    rows: Sequence[T], objects_of: Callable[[T], Sequence[Any]], skipped: int, limit: int | None
) -> Iterator[Sequence[Any]]:
    """Yield the objects of the page in parts."""
    objects = islice((each for row in rows for each in objects_of(row)), skipped, limit and skipped + limit)
    while part := list(islice(objects, _OBJECTS_A_PART)):
        yield part


async def _text(meta: Any, parts: Iterable[Sequence[Any]]) -> AsyncIterator[bytes]:
    """Yield the listing as JSON, each part without its brackets."""
    yield b'{"meta":' + orjson.dumps(meta) + b',"objects":['
    separator = b""
    for part in parts:
        yield separator + orjson.dumps(part)[1:-1]
        separator = b","
        await asyncio.sleep(0)
    yield b"]}"


def resource_schema(
    fields: Mapping[str, FieldDescription], *, of_list: Sequence[str], of_one: Sequence[str]
) -> Mapping[str, Any]:
    """Return a ResourceDescription as JSON."""
    return ResourceDescription(
        allowed_detail_http_methods=list(of_one),
        allowed_list_http_methods=list(of_list),
        default_format="application/json",
        default_limit=DEFAULT_LIMIT,
        fields=dict(fields),
    ).model_dump()


def field_schema(
    type_: str, help_text: str, *, blank: bool = False, nullable: bool = False, readonly: bool = False
) -> FieldDescription:
    """Return the description of a field that is not unique."""
    return FieldDescription(
        blank=blank, help_text=help_text, nullable=nullable, readonly=readonly, type=type_, unique=False
    )
