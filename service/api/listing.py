"""Listings by limit and offset, as the contacts document has them."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import Depends, Query
from starlette.responses import JSONResponse

from service.api.docs import Schema

_BIGGEST = 2**53
JSON_UTF8 = "application/json; charset=utf-8"


class AccountJson(JSONResponse):
    """JSON as the contacts document's answers are labelled."""

    media_type = JSON_UTF8

    def render(self, content: Any) -> bytes:
        """JSON as fast as it gets."""
        return orjson.dumps(content)


class Window(NamedTuple):
    """The part of a listing that is asked for; a limit of 0 means all."""

    limit: int
    offset: int


async def _window(
    limit: Annotated[int, Query(ge=0, le=_BIGGEST, description="How many at most; 0 for all.")] = 20,
    offset: Annotated[int, Query(ge=0, le=_BIGGEST, description="How many to pass over.")] = 0,
) -> Window:
    return Window(limit, offset)


Part = Annotated[Window, Depends(_window)]


def listing(window: Window, total: int, objects: Sequence[Any]) -> AccountJson:
    """A listing with its `meta`."""
    meta = {"limit": window.limit, "offset": window.offset, "total_count": total}
    return AccountJson({"meta": meta, "objects": objects})


def listing_schema(item: Schema) -> Schema:
    """The schema of a listing of these."""
    number = {"type": "integer", "minimum": 0}
    meta = {
        "type": "object",
        "required": ["limit", "offset", "total_count"],
        "properties": {"limit": number, "offset": number, "total_count": number},
    }
    return {"type": "object", "required": ["meta", "objects"], "properties": {"meta": meta, **_objects(item)}}


def objects_schema(item: Schema) -> Schema:
    """The schema of `objects` alone."""
    return {"type": "object", "required": ["objects"], "properties": _objects(item)}


def _objects(item: Schema) -> Schema:
    return {"objects": {"type": "array", "items": item}}
