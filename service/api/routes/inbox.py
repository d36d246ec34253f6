"""The inbox of the caller: counts, entries, marking read. JSON:API, as its document shows it.

Another's entry answers 403 where the document asks for it: to DELETE of one. In a bulk request, ids that are
another's or nobody's are passed over without a word, and the caller's own are marked: a client that has an
old list in its hands can still clear it, and learns nothing about others.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from service.api.auth.guard import MayReadInbox, allow
from service.api.body import read_json
from service.api.deps import Deps, deps_of
from service.api.docs import COUNTS, MARK, NOTIFICATIONS, NOTIFICATIONS_QUERY, json_body, refusals
from service.api.errors import ApiError, bad_parameter, invalid, not_found, pointer_to
from service.api.jsonapi import JsonApiResponse, document, negotiate, one_of, resource
from service.model.catalogue import Catalogue
from service.ports import InboxQuery, ReadFilter

router = APIRouter(tags=["inbox"], default_response_class=JsonApiResponse)

_STATUS = ("filter[status]", "status")
_TYPE = "filter[type]"
_PAGE = ("page[size]", "page[after]")
_KNOWN = ("sort", _TYPE, *_STATUS, *_PAGE)
_MAX_PAGE = 1000
_PAGE_SIZE = 50
_ALL = 1_000_000  # more than an inbox holds
_LAST = 1_000_000


@router.get(
    "/counts",
    summary="Unread entries by type",
    responses={200: COUNTS, **refusals(400, 401, 403, 406, 429, 503, json_api=True)},
    openapi_extra={"security": [{"bearer": []}]},
)
async def counts(request: Request) -> Response:
    """Only types with unread entries. A type's id is its number; one without a number has its name."""
    principal = await allow(request, "inbox")
    negotiate(request)
    deps = deps_of(request)
    return document(count_resources(await deps.inbox.counts(principal.id), deps.catalogue))


@router.get(
    "/notifications",
    summary="Unread entries",
    responses={200: NOTIFICATIONS, **refusals(400, 401, 403, 406, 429, 503, json_api=True)},
    openapi_extra={"security": [{"bearer": []}], "parameters": NOTIFICATIONS_QUERY},
)
async def notifications(request: Request) -> Response:
    """All of them, oldest first; `links` appear only when paging is asked for."""
    principal = await allow(request, "inbox")
    negotiate(request, _KNOWN)
    deps = deps_of(request)
    query = _query(request, principal.id, deps.catalogue)
    paged = one_of(request, _PAGE[0]) or one_of(request, _PAGE[1])
    if not paged and query.shown is ReadFilter.unread and not query.types:
        return document(
            [resource(i) for i in await deps.inbox.unread(query.recipient, descending=query.descending)]
        )
    try:
        page = await deps.inbox_reads.page(query)
    except ValueError:
        raise bad_parameter(_PAGE[1], "is not a cursor that a page gave") from None
    links = _links(request, page.cursor) if paged else None
    return document(
        [resource(item, with_read=query.shown is not ReadFilter.unread) for item in page.items], links
    )


@router.delete(
    "/notifications/{id}",
    status_code=204,
    summary="Mark an entry read",
    response_class=Response,
    responses=refusals(400, 401, 403, 404, 406, 429, 503, json_api=True),
)
async def mark_read(
    request: Request,
    principal: MayReadInbox,
    deps: Deps,
    entry: Annotated[str, Path(alias="id", description="The entry.")],
) -> Response:
    """Marking what is read already is no error."""
    negotiate(request)
    (marked,) = await deps.read_marks.mark(principal.id, [entry])
    if marked is None:
        if await deps.inbox.owner(entry) in (None, principal.id):
            raise not_found("notification")
        raise ApiError(403, "The notification is another's.", code="forbidden")
    return Response(status_code=204)


@router.post(
    "/notifications",
    status_code=204,
    summary="Mark entries read",
    response_class=Response,
    responses=refusals(400, 401, 403, 406, 413, 415, 429, 503, json_api=True),
    openapi_extra=json_body(MARK, "application/vnd.api+json", "application/json"),
)
async def mark_many_read(request: Request, principal: MayReadInbox, deps: Deps) -> Response:
    """The caller's own entries are marked; ids that are another's or nobody's are passed over."""
    negotiate(request)
    await deps.read_marks.mark(principal.id, _ids(await read_json(request)))
    return Response(status_code=204)


def count_resources(found: Mapping[str, int], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Counts by type as resources: those with a number first, by number."""
    rows = []
    for name, count in found.items():
        row = catalogue.get(name)
        number = row.number if row and row.number else _LAST
        shown = name if number == _LAST else str(number)
        attributes = {"count": count, "type_str": name}
        rows.append((number, name, {"type": "notifications", "id": shown, "attributes": attributes}))
    return [resource for _, _, resource in sorted(rows, key=itemgetter(0, 1))]


def _ids(body: Any) -> list[str]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise invalid("data must be a list of resource identifiers.", "/data", status=400)
    for index, given in enumerate(data):
        if not isinstance(given, dict) or given.get("type") != "notifications":
            place = pointer_to("data", index, "type")
            raise invalid("The type must be notifications.", place, status=400)
        if not isinstance(given.get("id"), str) or not given["id"]:
            raise invalid("The id must be a text.", pointer_to("data", index, "id"), status=400)
    return list(dict.fromkeys(given["id"] for given in data))


def _query(request: Request, recipient: str, catalogue: Catalogue) -> InboxQuery:
    _, sort = one_of(request, "sort") or ("", "created_at")
    if sort not in ("created_at", "-created_at"):
        raise bad_parameter("sort", "can be created_at or -created_at")
    status = one_of(request, *_STATUS)
    if status and status[1] not in ReadFilter.__members__:
        raise bad_parameter(status[0], "can be unread, read or all")
    size = one_of(request, _PAGE[0])
    if size and not (size[1].isascii() and size[1].isdigit() and 0 < int(size[1][:9]) <= _MAX_PAGE):
        raise bad_parameter(_PAGE[0], f"must be a number from 1 to {_MAX_PAGE}")
    after = one_of(request, _PAGE[1])
    return InboxQuery(
        recipient=recipient,
        shown=ReadFilter(status[1]) if status else ReadFilter.unread,
        types=_types(request, catalogue),
        descending=sort.startswith("-"),
        after=after[1] if after else "",
        limit=int(size[1]) if size else _PAGE_SIZE if after else _ALL,
    )


def types_of(names: str, catalogue: Catalogue) -> frozenset[str]:
    """Types by number or name, separated by commas. Raises ApiError for one that there is not."""
    by_number: Mapping[str, str] = {str(row.number): row.name for row in catalogue if row.number}
    found = frozenset(by_number.get(name, name) for name in names.split(","))
    if not all(name in catalogue for name in found):
        raise bad_parameter(_TYPE, "names a type that there is not")
    return found


def _types(request: Request, catalogue: Catalogue) -> frozenset[str]:
    given = one_of(request, _TYPE)
    return types_of(given[1], catalogue) if given else frozenset()


def _links(request: Request, cursor: str) -> dict[str, str | None]:
    if not cursor:
        return {"next": None}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != _PAGE[1]]
    path = request.scope.get("root_path", "") + "/notifications"
    return {"next": f"{path}?{urlencode([*kept, (_PAGE[1], cursor)])}"}
