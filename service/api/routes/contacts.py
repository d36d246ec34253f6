"""Contacts of the calling account.

An account has at most one main contact, which cannot be deleted.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from service.api.auth.guard import CallingAccount
from service.api.deps import Deps
from service.api.errors import ApiError, body_error, not_found
from service.api.rate_limits import enforce_rate_limit
from service.api.representations.body import parse_model, read_json
from service.api.representations.listing import (
    AccountJson,
    ListingMeta,
    PageParam,
    ResourceDescription,
    charge_for_objects,
    field_schema,
    listing,
    resource_schema,
)
from service.api.representations.schemas import (
    Absent,
    Schema,
    error_responses,
    request_body,
    response,
    schema_ref,
)
from service.model.address import check_address
from service.model.recipient import Contact
from service.model.validators import check_line
from service.ports import ContactPage

PATH = "/api/2.0/notification_contacts/"
_SCHEMA = resource_schema(
    {
        "email": field_schema("string", "The address that receives the notifications."),
        "main": field_schema(
            "boolean", "Whether this is the account's main contact; null if not.", nullable=True
        ),
        "name": field_schema("string", "The person's name.", blank=True),
        "phone": field_schema("string", "A telephone number.", blank=True),
        "resource_uri": field_schema("string", "The path of the contact.", readonly=True),
        "uuid": field_schema("string", "The id of the contact.", readonly=True),
    },
    of_list=("get", "post"),
    of_one=("get", "put", "delete"),
)
router = APIRouter(prefix=PATH.rstrip("/"), tags=["contacts"])

Uuid = Annotated[str, Path(description="The contact's id.")]
_MAX_OBJECTS = 1000


def _drop_default(schema: Schema) -> None:
    """Remove the default from a field's schema: a client that sent it would empty the field of a contact."""
    schema.pop("default", None)


class ContactEdit(BaseModel):
    """The writable fields of a contact. Read-only fields of a listing may be sent back and are ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str = Field(default="", max_length=254, json_schema_extra=_drop_default)
    name: str = Field(default="", max_length=256, json_schema_extra=_drop_default)
    phone: str = Field(default="", max_length=64, json_schema_extra=_drop_default)
    main: bool | None = None
    pk: Any = Field(default=None, json_schema_extra={"readOnly": True})
    resource_uri: Any = Field(default=None, json_schema_extra={"readOnly": True})
    uuid: Any = Field(default=None, json_schema_extra={"readOnly": True})

    _address = field_validator("email")(check_address)
    _line = field_validator("name", "phone")(check_line)


class NewContact(ContactEdit):
    """A contact to create."""

    email: str = Field(max_length=254)


class NewContacts(BaseModel):
    """The contacts to create."""

    model_config = ConfigDict(extra="forbid")

    objects: list[NewContact] = Field(min_length=1, max_length=_MAX_OBJECTS)


class ContactView(BaseModel):
    """A contact; `main` is true or null. Only the response to an edit has `pk`."""

    email: str
    main: bool | None
    name: str
    phone: str
    pk: str | Absent = None
    resource_uri: str
    uuid: str


class ContactListing(BaseModel):
    """A page of contacts."""

    meta: ListingMeta
    objects: list[ContactView]


class AddedContacts(BaseModel):
    """The contacts that were added."""

    objects: list[ContactView]


@router.get(
    "/",
    operation_id="list_contacts",
    summary="List contacts",
    responses={
        200: response(schema_ref(ContactListing)),
        **error_responses(400, 401, 429, 503),
    },
)
async def contacts(request: Request, account: CallingAccount, deps: Deps, page: PageParam) -> Response:
    """List the account's contacts, the main contact first."""
    stored = await deps.contacts.page(account.id, page.offset, page.limit)
    await charge_for_objects(request, account, len(stored.rows))
    return await listing(page, stored.total, stored.rows, lambda contact: [contact_view(request, contact)])


@router.post(
    "/",
    status_code=201,
    operation_id="add_contacts",
    summary="Add contacts",
    responses={
        201: response(schema_ref(AddedContacts)),
        **error_responses(400, 401, 409, 413, 422, 429, 503),
    },
    openapi_extra=request_body(schema_ref(NewContacts)),
)
async def add(request: Request, account: CallingAccount, deps: Deps) -> Response:
    """Add all of the contacts, or none of them. A new contact receives every notification type.

    An account has a limited number of contacts; beyond it the response is 409.
    """
    forms = parse_model(NewContacts, await read_json(request)).objects
    new = [
        Contact(
            uuid=str(uuid4()),
            account=account.id,
            email=form.email,
            name=form.name,
            phone=form.phone,
            main=bool(form.main),
        )
        for form in forms
    ]

    def make(stored: ContactPage) -> Sequence[Contact]:
        mains = sum(contact.main for contact in new)
        if mains > 1 or (mains and any(contact.main for contact in stored.rows)):
            raise _main_contact_error("An account has one main contact.")
        if stored.total + len(new) > (limit := deps.settings.limits.contacts):
            detail = f"An account has at most {limit} contacts; there are {stored.total}."
            raise ApiError(409, detail, code="too-many-contacts", extra={"limit": limit})
        return new

    await enforce_rate_limit(request, "new_contacts", account.name, cost=len(new))
    written = await deps.writer.add_contacts(account.id, make)
    return AccountJson({"objects": [contact_view(request, contact) for contact in written]}, 201)


@router.get(
    "/detail/",
    operation_id="list_contact_details",
    summary="List contacts, as the list does",
    responses={
        200: response(schema_ref(ContactListing)),
        **error_responses(400, 401, 429, 503),
    },
)
async def details(request: Request, account: CallingAccount, deps: Deps, page: PageParam) -> Response:
    """List the account's contacts: the list has every field already. For clients that ask for details."""
    return await contacts(request, account, deps, page)


@router.get(
    "/schema/",
    operation_id="describe_contacts",
    summary="Describe contacts",
    responses={200: response(schema_ref(ResourceDescription)), **error_responses(401, 429, 503)},
)
async def schema(account: CallingAccount) -> Response:
    """Describe the fields of a contact and the methods of the resource."""
    return AccountJson(_SCHEMA)


@router.get(
    "/{uuid}/",
    operation_id="get_contact",
    summary="Get a contact",
    responses={200: response(schema_ref(ContactView)), **error_responses(400, 401, 404, 429, 503)},
)
async def contact(request: Request, account: CallingAccount, deps: Deps, uuid: Uuid) -> Response:
    """Get a contact of the account, in the same format as in the list."""
    current = await deps.writer.read_contact(account.id, uuid)
    if current is None:
        raise not_found("contact")
    return AccountJson(contact_view(request, current))


@router.put(
    "/{uuid}/",
    operation_id="edit_contact",
    summary="Edit a contact",
    responses={
        200: response(schema_ref(ContactView)),
        **error_responses(400, 401, 404, 409, 413, 422, 429, 503),
    },
    openapi_extra=request_body(schema_ref(ContactEdit)),
)
async def edit(request: Request, account: CallingAccount, deps: Deps, uuid: Uuid) -> Response:
    """Change the fields in the body and keep the others. `main` cannot be changed."""
    form = parse_model(ContactEdit, await read_json(request))
    sent = form.model_fields_set
    update: dict[str, Any] = {
        name: getattr(form, name) for name in ("email", "name", "phone") if name in sent
    }

    async def change(current: Mapping[str, Contact]) -> Sequence[Contact]:
        contact = find_contact(current, uuid)
        if "main" in sent and bool(form.main) != contact.main:
            raise _main_contact_error("The choice of the main contact cannot be changed.")
        return [contact.model_copy(update=update)]

    (written,) = await deps.writer.change_contacts(account.id, [uuid], change)
    return AccountJson(dict(sorted([("pk", written.uuid), *contact_view(request, written).items()])))


@router.delete(
    "/{uuid}/",
    status_code=204,
    operation_id="delete_contact",
    summary="Delete a contact",
    response_class=Response,
    responses=error_responses(400, 401, 404, 409, 429, 503),
)
async def delete(request: Request, account: CallingAccount, deps: Deps, uuid: Uuid) -> Response:
    """Delete a contact and its preferences. The main contact cannot be deleted."""

    def check(contact: Contact) -> None:
        if contact.main:
            raise _main_contact_error("The main contact cannot be deleted.")

    if not await deps.writer.drop_contact(account.id, uuid, check):
        raise not_found("contact")
    return Response(status_code=204, media_type="text/html")


def find_contact(contacts: Mapping[str, Contact], uuid: str) -> Contact:
    """Return the contact of that id. Raise ApiError 404 when the account has none."""
    contact = contacts.get(uuid)
    if contact is None:
        raise not_found("contact")
    return contact


def contact_uri(request: Request, contact: Contact) -> str:
    """Return the contact's path as the caller sees it, with the prefix that a proxy strips."""
    return f"{request.scope.get('root_path', '')}{PATH}{contact.uuid}/"


def contact_view(request: Request, contact: Contact) -> dict[str, Any]:
    """Return the fields of a ContactView, without `pk`, in the order that the contacts document shows."""
    return {
        "email": contact.email,
        "main": contact.main or None,
        "name": contact.name,
        "phone": contact.phone,
        "resource_uri": contact_uri(request, contact),
        "uuid": contact.uuid,
    }


def _main_contact_error(detail: str) -> ApiError:
    return body_error(detail, "/main", status=409, code="main-contact")
