"""Groups: the email addresses that receive each group type."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, RootModel
from starlette.responses import Response

from service.api.auth.guard import MayChangeTables
from service.api.deps import Deps
from service.api.errors import ApiError, FieldError, parameter_error, pointer_to
from service.api.representations.body import read_json
from service.api.representations.jsonapi import single_parameter
from service.api.representations.schemas import (
    Absent,
    Responses,
    error_responses,
    query_parameter,
    request_body,
    response,
    schema_ref,
)
from service.model.address import InvalidAddress, check_address
from service.model.catalogue import AudienceRule, Catalogue
from service.model.ids import address_key
from service.model.recipient import Group

router = APIRouter(prefix="/api/v1/notification", tags=["groups"])

MAX_ADDRESSES = 1000
_MAX_INLINE = 100  # more addresses are checked in a thread: it takes longer than other requests should wait
_MAX_ERRORS = 20  # fields named in one response
_NAMES = ("external_id", "project_id")
Email = Annotated[str, Field(json_schema_extra={"format": "email"})]
_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 128}
_PROJECT = {"type": "string", "maxLength": 128}


class GroupAddresses(RootModel[dict[str, list[Email]]]):
    """Every group type with its addresses."""


class GroupId(BaseModel):
    """A group, for requests that do not name it in the query."""

    external_id: str | Absent = Field(default=None, min_length=1, max_length=128)
    project_id: str | Absent = Field(default=None, max_length=128)


class GroupChange(GroupId):
    """The new addresses of group types, by type; at most 1,000 of a type."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, list[Email]]


_QUERY = [
    query_parameter("external_id", _ID, "The group's id; may be in the body instead."),
    query_parameter(
        "project_id",
        _PROJECT,
        "The project's id; may be in the body instead. Empty selects the group's default lists.",
    ),
]
_GET_BODY = request_body(schema_ref(GroupId), required=False)
_PATCH_BODY = request_body(schema_ref(GroupChange))
_RESPONSE: Responses = {200: response(schema_ref(GroupAddresses))}


@router.get(
    "/",
    operation_id="get_group_addresses",
    summary="Get the addresses of a group",
    responses={**_RESPONSE, **error_responses(400, 401, 403, 413, 422, 429, 503)},
    openapi_extra={"parameters": _QUERY, **_GET_BODY},
)
async def group(request: Request, principal: MayChangeTables, deps: Deps) -> Response:
    """Get the addresses of every group type. Types without addresses, and groups never written, have empty lists."""
    body = _object(await read_json(request)) if await request.body() else {}
    return _group_response(await deps.writer.read_group(*_group_ids(request, body)), deps.catalogue)


@router.patch(
    "/configure/",
    operation_id="change_group_addresses",
    summary="Change the addresses of a group",
    responses={**_RESPONSE, **error_responses(400, 401, 403, 413, 422, 429, 503)},
    openapi_extra={"parameters": _QUERY, **_PATCH_BODY},
)
async def configure(request: Request, principal: MayChangeTables, deps: Deps) -> Response:
    """Replace the addresses of the types in the body; other types keep theirs.

    Nothing is changed unless the whole body is valid.
    """
    body = _object(await read_json(request))
    external_id, project_id = _group_ids(request, body)
    requested = {name: value for name, value in body.items() if name not in _NAMES}
    if sum(len(value) for value in requested.values() if isinstance(value, list)) > _MAX_INLINE:
        lists = await asyncio.to_thread(_validated, requested, deps.catalogue)
    else:
        lists = _validated(requested, deps.catalogue)

    def change(current: Group) -> Group:
        return current.model_copy(update={"addresses": {**current.addresses, **lists}})

    return _group_response(await deps.writer.group(external_id, project_id, change), deps.catalogue)


def _group_response(group: Group, catalogue: Catalogue) -> Response:
    lists = {
        type_.name: group.addresses.get(type_.name, ())
        for type_ in catalogue
        if type_.needs(AudienceRule.group)
    }
    return Response(orjson.dumps(lists), media_type="application/json")


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _body_error([FieldError("The body must be a JSON object.", "")])
    return body


def _group_ids(request: Request, body: Mapping[str, Any]) -> tuple[str, str]:
    """Return external_id and project_id, from the query or the body. Raise ApiError."""
    external_id, project_id = (_group_id(request, body, name) for name in _NAMES)
    if not external_id:
        raise parameter_error("external_id", "is required, in the query or in the body")
    if "|" in project_id:
        raise parameter_error("project_id", "must not contain |")
    return external_id, project_id


def _group_id(request: Request, body: Mapping[str, Any], name: str) -> str:
    _, in_query = single_parameter(request, name) or ("", None)
    in_body = body.get(name)
    if in_query is not None and in_body is not None and in_query != in_body:
        raise parameter_error(name, "has different values in the query and in the body")
    value = in_body if in_query is None else in_query
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 128 or not value.isprintable():
        raise parameter_error(name, "must be a printable string of at most 128 characters")
    return value


def _validated(requested: Mapping[str, Any], catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Return the address lists by type. Raise ApiError that names every invalid field, up to 20."""
    errors: list[FieldError] = []
    for name, value in requested.items():
        type_ = catalogue.get(name)
        if type_ is None or type_.name != name or not type_.needs(AudienceRule.group):
            errors.append(FieldError("There is no such group type.", pointer_to(name[:100])))
        elif not isinstance(value, list):
            errors.append(FieldError("Must be a list of addresses.", pointer_to(name)))
        elif len(value) > MAX_ADDRESSES:
            errors.append(FieldError(f"Has more than {MAX_ADDRESSES} addresses.", pointer_to(name)))
        else:
            errors += _address_errors(name, value)
        if len(errors) >= _MAX_ERRORS:
            break
    if errors:
        raise _body_error(errors[:_MAX_ERRORS])
    return {name: tuple(value) for name, value in requested.items()}


def _address_errors(name: str, addresses: Sequence[Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, address in enumerate(addresses):
        pointer = pointer_to(name, index)
        try:
            key = address_key(check_address(address)) if isinstance(address, str) else None
        except InvalidAddress as error:
            errors.append(FieldError(str(error), pointer))
            continue
        if key is None:
            errors.append(FieldError("An address must be a string.", pointer))
        elif key in seen:
            errors.append(FieldError("The address is in the list twice.", pointer))
        else:
            seen.add(key)
    return errors


def _body_error(errors: Sequence[FieldError]) -> ApiError:
    first = errors[0]
    place = f"{first.pointer}: " if first.pointer else ""
    return ApiError(422, f"{place}{first.detail}", code="invalid-body", errors=errors)
