"""The caller's inbox: counts, entries, marking entries read. JSON:API, as the inbox document shows it.

DELETE of another recipient's entry answers 403, because the document requires it. A bulk request marks the caller's
own entries and ignores every other id: a client with an outdated list can still clear it, and learns nothing about
other recipients.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from service.api.auth.guard import MayReadInbox, authorize
from service.api.deps import Deps, deps_of
from service.api.errors import ApiError, body_error, not_found, parameter_error, pointer_to
from service.api.representations.body import read_json
from service.api.representations.entries import entries_document, entry_page, entry_parts
from service.api.representations.jsonapi import (
    JsonApiResponse,
    document,
    negotiate,
    single_parameter,
)
from service.api.representations.schemas import (
    COUNTS,
    NOTIFICATION_IDS,
    NOTIFICATIONS,
    NOTIFICATIONS_QUERY,
    error_responses,
    request_body,
)
from service.model.catalogue import Catalogue
from service.model.channels import Channel
from service.model.ids import event_of_delivery
from service.model.ledger import State
from service.ports import InboxQuery, ReadFilter

router = APIRouter(tags=["inbox"], default_response_class=JsonApiResponse)

_STATUS = ("filter[status]", "status")
_TYPE = "filter[type]"
_PAGE_SIZE, _PAGE_AFTER = "page[size]", "page[after]"
_KNOWN = ("sort", _TYPE, *_STATUS, _PAGE_SIZE, _PAGE_AFTER)
_MAX_PAGE = 1000
_DEFAULT_PAGE = 50
_MAX_IDS = 10_000  # ten times what an inbox holds
_UNNUMBERED = 1_000_000  # sorts after every type's number


@router.get(
    "/counts",
    operation_id="get_counts",
    summary="Count unread entries",
    responses={200: COUNTS, **error_responses(400, 401, 403, 406, 429, 503, json_api=True)},
    openapi_extra={"security": [{"bearer": []}]},
)
async def counts(request: Request) -> Response:
    """Count unread entries by notification type. Types without unread entries are left out.

    The id of a count is the type's number, or the type's name if it has no number.
    """
    principal = await authorize(request, "inbox")
    negotiate(request)
    deps = deps_of(request)
    return document(count_resources(await deps.inbox.counts(principal.id), deps.catalogue))


@router.get(
    "/notifications",
    operation_id="list_notifications",
    summary="List entries",
    responses={200: NOTIFICATIONS, **error_responses(400, 401, 403, 406, 429, 503, json_api=True)},
    openapi_extra={"security": [{"bearer": []}], "parameters": NOTIFICATIONS_QUERY},
)
async def notifications(request: Request) -> Response:
    """List all unread entries, oldest first, unless parameters ask for something else.

    The response has `links` only if the request asks for pages.
    """
    principal = await authorize(request, "inbox")
    negotiate(request, _KNOWN)
    deps = deps_of(request)
    query = _query(request, principal.id, deps.catalogue)
    paged = single_parameter(request, _PAGE_SIZE) or single_parameter(request, _PAGE_AFTER)
    with_read = query.shown is not ReadFilter.unread
    reads, entry_format = deps.inbox_reads, deps.entry_format
    if not paged:
        return await entries_document(entry_parts(reads, entry_format, query, with_read=with_read))
    try:
        entries, cursor = await entry_page(reads, entry_format, query, with_read=with_read)
    except ValueError:
        raise parameter_error(_PAGE_AFTER, "is not a cursor of a previous page") from None
    return document(entries, _links(request, cursor))


@router.delete(
    "/notifications/{id}",
    status_code=204,
    operation_id="mark_notification_read",
    summary="Mark an entry as read",
    response_class=Response,
    responses=error_responses(400, 401, 403, 404, 406, 429, 503, json_api=True),
)
async def mark_read(
    request: Request,
    principal: MayReadInbox,
    deps: Deps,
    entry: Annotated[str, Path(alias="id", description="The entry's id.")],
) -> Response:
    """Mark an entry as read. Marking an entry that is already read changes nothing and succeeds."""
    negotiate(request)
    (marked,) = await deps.read_marks.mark(principal.id, [entry])
    if marked is None:
        owner = await _owner(deps, entry)
        if owner is None or owner == principal.id:
            raise not_found("notification")
        raise ApiError(403, "The notification belongs to another recipient.", code="forbidden")
    return Response(status_code=204)


@router.post(
    "/notifications",
    status_code=204,
    operation_id="mark_notifications_read",
    summary="Mark entries as read",
    response_class=Response,
    responses=error_responses(400, 401, 403, 406, 413, 415, 429, 503, json_api=True),
    openapi_extra=request_body(NOTIFICATION_IDS, "application/vnd.api+json", "application/json"),
)
async def mark_many_read(request: Request, principal: MayReadInbox, deps: Deps) -> Response:
    """Mark the caller's entries as read. Ids that do not exist or belong to another recipient are ignored."""
    negotiate(request)
    await deps.read_marks.mark(principal.id, _ids(await read_json(request)))
    return Response(status_code=204)


def count_resources(unread: Mapping[str, int], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return unread counts by type as resource objects, sorted by number; types without a number come last."""
    rows = []
    for name, count in unread.items():
        type_ = catalogue.get(name)
        number = type_.number if type_ and type_.number else _UNNUMBERED
        id_ = name if number == _UNNUMBERED else str(number)
        attributes = {"count": count, "type_str": name}
        rows.append((number, name, {"type": "notifications", "id": id_, "attributes": attributes}))
    return [resource for _, _, resource in sorted(rows, key=itemgetter(0, 1))]


def types_of(names: str, catalogue: Catalogue) -> frozenset[str]:
    """Return the type names in a comma-separated list of numbers and names. Raise ApiError for an unknown type."""
    by_number: Mapping[str, str] = {str(type_.number): type_.name for type_ in catalogue if type_.number}
    types = frozenset(by_number.get(name, name) for name in names.split(","))
    if not all(name in catalogue for name in types):
        raise parameter_error(_TYPE, "has an unknown notification type")
    return types


def _ids(body: Any) -> list[str]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise body_error("data must be a list of resource identifiers.", "/data", status=400)
    if len(data) > _MAX_IDS:
        raise body_error(f"data has more than {_MAX_IDS} resource identifiers.", "/data", status=400)
    for index, identifier in enumerate(data):
        if not isinstance(identifier, dict) or identifier.get("type") != "notifications":
            pointer = pointer_to("data", index, "type")
            raise body_error("The type must be notifications.", pointer, status=400)
        if not isinstance(identifier.get("id"), str) or not identifier["id"]:
            raise body_error("The id must be a string.", pointer_to("data", index, "id"), status=400)
    return list(dict.fromkeys(identifier["id"] for identifier in data))


def _query(request: Request, recipient: str, catalogue: Catalogue) -> InboxQuery:
    _, sort = single_parameter(request, "sort") or ("", "created_at")
    if sort not in ("created_at", "-created_at"):
        raise parameter_error("sort", "must be created_at or -created_at")
    status = single_parameter(request, *_STATUS)
    if status and status[1] not in ReadFilter.__members__:
        raise parameter_error(status[0], "must be unread, read or all")
    size = single_parameter(request, _PAGE_SIZE)
    if size and not (size[1].isascii() and size[1].isdigit() and 0 < int(size[1][:9]) <= _MAX_PAGE):
        raise parameter_error(_PAGE_SIZE, f"must be a number from 1 to {_MAX_PAGE}")
    after = single_parameter(request, _PAGE_AFTER)
    return InboxQuery(
        recipient=recipient,
        shown=ReadFilter(status[1]) if status else ReadFilter.unread,
        types=_types(request, catalogue),
        descending=sort.startswith("-"),
        after=after[1] if after else "",
        limit=int(size[1]) if size else _DEFAULT_PAGE,
    )


def _types(request: Request, catalogue: Catalogue) -> frozenset[str]:
    parameter = single_parameter(request, _TYPE)
    return types_of(parameter[1], catalogue) if parameter else frozenset()


def _links(request: Request, cursor: str) -> dict[str, str | None]:
    if not cursor:
        return {"next": None}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != _PAGE_AFTER]
    path = request.scope.get("root_path", "") + "/notifications"
    return {"next": f"{path}?{urlencode([*kept, (_PAGE_AFTER, cursor)])}"}


async def _owner(deps: Deps, entry: str) -> str | None:
    """Return whose entry it is, from the ledger; None where it is nobody's, or the ledger no longer has it."""
    delivery = await deps.ledger.entry(event_of_delivery(entry), entry)
    if delivery is None or delivery.channel != Channel.inbox or delivery.state is not State.delivered:
        return None
    return delivery.recipient
