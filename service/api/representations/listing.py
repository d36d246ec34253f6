"""Listings paged by limit and offset, in the format of the contacts document."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import Depends, Query
from starlette.responses import JSONResponse

from service.api.representations.schemas import Schema

_MAX_NUMBER = 2**53
JSON_UTF8 = "application/json; charset=utf-8"


class AccountJson(JSONResponse):
    """JSON with the media type that the contacts document shows."""

    media_type = JSON_UTF8

    def render(self, content: Any) -> bytes:
        """Return the content as JSON, encoded by orjson."""
        return orjson.dumps(content)


class PageQuery(NamedTuple):
    """The requested part of a listing; a limit of 0 means all objects from the offset on."""

    limit: int
    offset: int


async def _page_query(
    limit: Annotated[
        int, Query(ge=0, le=_MAX_NUMBER, description="The maximum number of objects; 0 for all.")
    ] = 20,
    offset: Annotated[int, Query(ge=0, le=_MAX_NUMBER, description="The number of objects to skip.")] = 0,
) -> PageQuery:
    return PageQuery(limit, offset)


PageParam = Annotated[PageQuery, Depends(_page_query)]


def listing(page: PageQuery, total: int, objects: Sequence[Any]) -> AccountJson:
    """Return a listing of one page; `total` is the number of objects in all pages."""
    meta = {"limit": page.limit, "offset": page.offset, "total_count": total}
    return AccountJson({"meta": meta, "objects": objects})


def listing_schema(item: Schema) -> Schema:
    """Return the schema of a listing of these items."""
    number = {"type": "integer", "minimum": 0}
    meta = {
        "type": "object",
        "required": ["limit", "offset", "total_count"],
        "properties": {"limit": number, "offset": number, "total_count": number},
    }
    return {"type": "object", "required": ["meta", "objects"], "properties": {"meta": meta, **_objects(item)}}


def objects_schema(item: Schema) -> Schema:
    """Return the schema of `objects` without `meta`."""
    return {"type": "object", "required": ["objects"], "properties": _objects(item)}


def _objects(item: Schema) -> Schema:
    return {"objects": {"type": "array", "items": item}}
