"""Groups: which addresses hear of which group type."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.auth.guard import MayChangeTables
from service.api.body import read_json
from service.api.deps import Deps
from service.api.docs import Responses, answer, json_body, parameter, refusals
from service.api.errors import ApiError, FieldError, bad_parameter, pointer_to
from service.api.jsonapi import one_of
from service.model.address import InvalidAddress, check_address
from service.model.catalogue import AudienceRule, Catalogue
from service.model.ids import address_key
from service.model.recipient import Group

router = APIRouter(prefix="/api/v1/notification", tags=["groups"])

MAX_ADDRESSES = 1000
_MANY = 100  # so many addresses take longer to check than other requests should wait
_NAMES = ("external_id", "project_id")
_MAP = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string", "format": "email"}},
}
_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 128}
_PROJECT = {"type": "string", "maxLength": 128, "default": ""}
_QUERY = [
    parameter("external_id", _ID, "The group; may stand in the body instead."),
    parameter(
        "project_id", _PROJECT, "The project; may stand in the body instead. Empty is the group's default."
    ),
]
_GET_BODY = json_body(
    {"type": "object", "properties": {"external_id": _ID, "project_id": _PROJECT}}, required=False
)
_PATCH_BODY = json_body({**_MAP, "properties": {"external_id": _ID, "project_id": _PROJECT}})
_ANSWER: Responses = {200: answer(_MAP, "All group types, with their addresses.")}


@router.get(
    "/",
    summary="The addresses of a group",
    responses={**_ANSWER, **refusals(400, 401, 403, 413, 422, 429, 503)},
    openapi_extra={"parameters": _QUERY, **_GET_BODY},
)
async def group(request: Request, principal: MayChangeTables, deps: Deps) -> Response:
    """Every group type, also those without an address. A group that nobody has written to has none."""
    body = _object(await read_json(request)) if await request.body() else {}
    return _shown(await deps.writer.read_group(*_which(request, body)), deps.catalogue)


@router.patch(
    "/configure/",
    summary="Change the addresses of a group",
    responses={**_ANSWER, **refusals(400, 401, 403, 413, 422, 429, 503)},
    openapi_extra={"parameters": _QUERY, **_PATCH_BODY},
)
async def configure(request: Request, principal: MayChangeTables, deps: Deps) -> Response:
    """The types that are named get these addresses, the others keep theirs.

    Nothing is changed unless all of it is valid.
    """
    body = _object(await read_json(request))
    external_id, project_id = _which(request, body)
    named = {name: value for name, value in body.items() if name not in _NAMES}
    if sum(len(value) for value in named.values() if isinstance(value, list)) > _MANY:
        lists = await asyncio.to_thread(_checked, named, deps.catalogue)
    else:
        lists = _checked(named, deps.catalogue)

    def change(standing: Group) -> Group:
        return standing.model_copy(update={"addresses": {**standing.addresses, **lists}})

    return _shown(await deps.writer.group(external_id, project_id, change), deps.catalogue)


def _shown(group: Group, catalogue: Catalogue) -> Response:
    lists = {
        row.name: group.addresses.get(row.name, ()) for row in catalogue if row.needs(AudienceRule.group)
    }
    return Response(orjson.dumps(lists), media_type="application/json")


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _refused([FieldError("The body must be a JSON object.", "")])
    return body


def _which(request: Request, body: Mapping[str, Any]) -> tuple[str, str]:
    """The group, from the query or the body. Raises ApiError."""
    external_id, project_id = (_name(request, body, name) for name in _NAMES)
    if not external_id:
        raise bad_parameter("external_id", "is needed, in the query or in the body")
    if "|" in project_id:
        raise bad_parameter("project_id", "must not contain |")
    return external_id, project_id


def _name(request: Request, body: Mapping[str, Any], name: str) -> str:
    _, asked = one_of(request, name) or ("", None)
    written = body.get(name)
    if asked is not None and written is not None and asked != written:
        raise bad_parameter(name, "is one thing in the query and another in the body")
    found = written if asked is None else asked
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > 128 or not found.isprintable():
        raise bad_parameter(name, "must be a printable text of at most 128 characters")
    return found


def _checked(named: Mapping[str, Any], catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """The lists by type. Raises ApiError with every fault there is."""
    faults: list[FieldError] = []
    for name, value in named.items():
        row = catalogue.get(name)
        if row is None or row.name != name or not row.needs(AudienceRule.group):
            faults.append(FieldError("There is no such group type.", pointer_to(name[:100])))
        elif not isinstance(value, list):
            faults.append(FieldError("Must be a list of addresses.", pointer_to(name)))
        elif len(value) > MAX_ADDRESSES:
            faults.append(FieldError(f"Has more than {MAX_ADDRESSES} addresses.", pointer_to(name)))
        else:
            faults += _faults(name, value)
    if faults:
        raise _refused(faults[:20])
    return {name: tuple(value) for name, value in named.items()}


def _faults(name: str, addresses: Sequence[Any]) -> list[FieldError]:
    faults: list[FieldError] = []
    seen: set[str] = set()
    for index, address in enumerate(addresses):
        place = pointer_to(name, index)
        try:
            key = address_key(check_address(address)) if isinstance(address, str) else None
        except InvalidAddress as error:
            faults.append(FieldError(str(error), place))
            continue
        if key is None:
            faults.append(FieldError("An address must be a text.", place))
        elif key in seen:
            faults.append(FieldError("The address stands there twice.", place))
        else:
            seen.add(key)
    return faults


def _refused(faults: Sequence[FieldError]) -> ApiError:
    place = f"{faults[0].pointer}: " if faults[0].pointer else ""
    return ApiError(422, f"{place}{faults[0].detail}", code="invalid-body", faults=faults)
