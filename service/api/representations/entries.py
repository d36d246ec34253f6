"""Entries of an inbox as resource objects.

They are read and encoded in parts: an entry may be 256 KiB, and an inbox has a thousand of them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from service.api.errors import JSON_API
from service.api.representations.jsonapi import timestamp
from service.model.catalogue import Catalogue
from service.pages.brand import Brands
from service.ports import InboxItem, InboxQuery, InboxReads
from service.ports.turns import Turns

_FIRST_PART = 25
_MAX_PART = 1000
_PART_BYTES = 1024 * 1024  # read and encoded at once
_PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """The form of inbox entries, with links below the sites of their brands."""

    catalogue: Catalogue
    brands: Brands

    def resource(self, item: InboxItem, *, with_read: bool = False) -> dict[str, Any]:
        """Return an entry as a resource object; `with_read` adds the time when it was read.

        The attributes are those of the inbox document. What a person reads is in `meta`: the `line`, in the recipient's
        language at the time of the event, and the `link`, None where the type has no page.
        """
        attributes: dict[str, Any] = {
            "type": item.number or None,
            "type_str": item.type,
            "meta": orjson.Fragment(orjson.dumps(item.meta, option=orjson.OPT_SORT_KEYS)),
            "created_at": timestamp(item.created_ms),
        }
        if with_read:
            attributes["read_at"] = timestamp(item.read_ms) if item.read_ms else None
        type_ = self.catalogue.get(item.type)
        line = item.line or (type_.title if type_ else item.type)
        link = type_.url(self.brands.named(item.brand).site, item.meta) if type_ else None
        meta = {"line": line, "link": link}
        return {"type": "notifications", "id": item.id, "attributes": attributes, "meta": meta}


async def entry_page(
    reads: InboxReads, entry_format: EntryFormat, query: InboxQuery, *, with_read: bool = False
) -> tuple[Sequence[Any], str]:
    """Return a page of entries as resource objects, and the cursor after it; a page of large entries has fewer.

    Raise Unavailable, and ValueError for a cursor that is not from a page.
    """
    found: list[Any] = []
    total_bytes, turns = 0, Turns()
    size, cursor = min(_FIRST_PART, query.limit), query.after
    while True:
        page = await reads.page(replace(query, after=cursor, limit=size))
        for item in page.items:
            text = orjson.dumps(entry_format.resource(item, with_read=with_read))
            found.append(orjson.Fragment(text))
            total_bytes += len(text)
            await turns.worked(len(text))
        cursor = page.cursor
        if not cursor or len(found) == query.limit or total_bytes > _PAGE_BYTES:
            return found, cursor
        size = min(query.limit - len(found), _fitting(total_bytes, len(found)))
        await asyncio.sleep(0)


async def entry_parts(
    reads: InboxReads, entry_format: EntryFormat, query: InboxQuery, *, with_read: bool = False
) -> AsyncIterator[bytes]:
    """Yield all entries of a query as resource objects in JSON, separated by commas; its limit does not matter.

    The number of entries in a part follows from the size of those before. Raise Unavailable.
    """
    turns, size, separator, cursor = Turns(), _FIRST_PART, b"", query.after
    while True:
        page = await reads.page(replace(query, after=cursor, limit=size))
        texts = list[bytes]()
        for item in page.items:
            texts.append(orjson.dumps(entry_format.resource(item, with_read=with_read)))
            await turns.worked(len(texts[-1]))
        if texts:
            yield separator + b",".join(texts)
            separator = b","
            size = _fitting(sum(map(len, texts)), len(texts))
        cursor = page.cursor
        if not cursor:
            return
        await asyncio.sleep(0)


def _fitting(total_bytes: int, number: int) -> int:
    """Return how many entries of that mean size fit into a part."""
    return max(1, min(_MAX_PART, _PART_BYTES * number // max(1, total_bytes)))


async def entries_document(parts: AsyncIterator[bytes]) -> Response:
    """Return the JSON:API document of these parts, sent as they are read if there is more than one. Raise Unavailable.

    The first two are read before the response begins, so that an outage is still a 503 for most inboxes.
    """
    first, second = await anext(parts, b""), await anext(parts, None)
    if second is None:
        return Response(b'{"data":[' + first + b"]}", media_type=JSON_API)

    async def text() -> AsyncIterator[bytes]:
        yield b'{"data":[' + first
        yield second
        async for part in parts:
            yield part
        yield b"]}"

    return StreamingResponse(text(), media_type=JSON_API)
