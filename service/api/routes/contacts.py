"""Contacts of the calling account.

One of them is the main contact, which can neither be deleted nor doubled.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from service.api.auth.guard import OfAccount
from service.api.body import parse_model, read_json
from service.api.deps import Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import ApiError, invalid, not_found
from service.api.listing import AccountJson, Part, listing, listing_schema, objects_schema
from service.model.address import check_address
from service.model.recipient import Contact
from service.model.validators import line

PATH = "/api/2.0/notification_contacts/"
router = APIRouter(prefix=PATH.rstrip("/"), tags=["contacts"])

Uuid = Annotated[str, Path(description="The contact.")]
_MAX_OBJECTS = 1000


class ContactEdit(BaseModel):
    """What may be written. What a listing shows beside it may be sent back, and is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str = Field(default="", max_length=254)
    name: str = Field(default="", max_length=256)
    phone: str = Field(default="", max_length=64)
    main: bool | None = None
    pk: Any = Field(default=None, json_schema_extra={"readOnly": True})
    resource_uri: Any = Field(default=None, json_schema_extra={"readOnly": True})
    uuid: Any = Field(default=None, json_schema_extra={"readOnly": True})

    _address = field_validator("email")(check_address)
    _line = field_validator("name", "phone")(line)


class NewContact(ContactEdit):
    """A contact to make."""

    email: str = Field(max_length=254)


class NewContacts(BaseModel):
    """Contacts to make."""

    model_config = ConfigDict(extra="forbid")

    objects: list[NewContact] = Field(min_length=1, max_length=_MAX_OBJECTS)


class ContactShown(BaseModel):
    """A contact; `main` is true or null. `pk` comes only with the answer to an edit."""

    email: str
    main: bool | None
    name: str
    phone: str
    pk: str | None = None
    resource_uri: str
    uuid: str


@router.get(
    "/",
    summary="The account's contacts",
    responses={200: answer(listing_schema(ref(ContactShown))), **refusals(400, 401, 429, 503)},
)
async def contacts(request: Request, account: OfAccount, deps: Deps, part: Part) -> Response:
    """The main contact first."""
    page = await deps.contacts.page(account.id, part.offset, part.limit)
    return listing(part, page.total, [shown(request, row) for row in page.rows])


@router.post(
    "/",
    status_code=201,
    summary="Add contacts",
    responses={
        201: answer(objects_schema(ref(ContactShown))),
        **refusals(400, 401, 409, 413, 422, 429, 503),
    },
    openapi_extra=json_body(ref(NewContacts)),
)
async def add(request: Request, account: OfAccount, deps: Deps) -> Response:
    """All of them or none. A new contact hears of everything."""
    asked = parse_model(NewContacts, await read_json(request)).objects
    made = [
        Contact(
            uuid=str(uuid4()),
            account=account.id,
            email=new.email,
            name=new.name,
            phone=new.phone,
            main=bool(new.main),
        )
        for new in asked
    ]

    def change(standing: Sequence[Contact]) -> Sequence[Contact]:
        if sum(row.main for row in (*standing, *made)) > 1 and any(row.main for row in made):
            raise _main("An account has one main contact.")
        return made

    written = await deps.writer.contacts(account.id, change)
    return AccountJson({"objects": [shown(request, row) for row in written]}, 201)


@router.get(
    "/{uuid}/",
    summary="A contact",
    responses={200: answer(ref(ContactShown)), **refusals(400, 401, 404, 429, 503)},
)
async def contact(request: Request, account: OfAccount, deps: Deps, uuid: Uuid) -> Response:
    """As the listing shows it."""
    row = await deps.writer.read_contact(account.id, uuid)
    if row is None:
        raise not_found("contact")
    return AccountJson(shown(request, row))


@router.put(
    "/{uuid}/",
    summary="Edit a contact",
    responses={200: answer(ref(ContactShown)), **refusals(400, 401, 404, 409, 413, 422, 429, 503)},
    openapi_extra=json_body(ref(ContactEdit)),
)
async def edit(request: Request, account: OfAccount, deps: Deps, uuid: Uuid) -> Response:
    """Only what is given is changed. Which contact is the main one cannot be."""
    asked = parse_model(ContactEdit, await read_json(request))
    given = asked.model_fields_set
    update: dict[str, Any] = {
        name: getattr(asked, name) for name in ("email", "name", "phone") if name in given
    }

    def change(standing: Sequence[Contact]) -> Sequence[Contact]:
        row = one(standing, uuid)
        if "main" in given and bool(asked.main) != row.main:
            raise _main("Which contact is the main one cannot be changed.")
        return [row.model_copy(update=update)]

    (row,) = await deps.writer.contacts(account.id, change)
    return AccountJson(dict(sorted([("pk", row.uuid), *shown(request, row).items()])))


@router.delete(
    "/{uuid}/",
    status_code=204,
    summary="Delete a contact",
    response_class=Response,
    responses=refusals(400, 401, 404, 409, 429, 503),
)
async def delete(request: Request, account: OfAccount, deps: Deps, uuid: Uuid) -> Response:
    """Its preferences go with it. The main contact cannot be deleted."""

    def choose(standing: Sequence[Contact]) -> Contact:
        row = one(standing, uuid)
        if row.main:
            raise _main("The main contact cannot be deleted.")
        return row

    await deps.writer.drop_contact(account.id, choose)
    return Response(status_code=204, media_type="text/html")


def one(standing: Sequence[Contact], uuid: str) -> Contact:
    """The account's contact of that id. Raises ApiError 404."""
    for row in standing:
        if row.uuid == uuid:
            return row
    raise not_found("contact")


def uri(request: Request, row: Contact) -> str:
    """A contact's path as the caller sees it, with the prefix that a proxy takes away."""
    return f"{request.scope.get('root_path', '')}{PATH}{row.uuid}/"


def shown(request: Request, row: Contact) -> dict[str, Any]:
    """A contact as its document shows it."""
    return {
        "email": row.email,
        "main": row.main or None,
        "name": row.name,
        "phone": row.phone,
        "resource_uri": uri(request, row),
        "uuid": row.uuid,
    }


def _main(detail: str) -> ApiError:
    return invalid(detail, "/main", status=409, code="main-contact")
