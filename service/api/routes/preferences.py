"""Preferences of the calling account's contacts: contact × account type × each medium that the type has."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.auth.guard import CallingAccount
from service.api.deps import Deps
from service.api.errors import body_error, pointer_to
from service.api.representations.body import parse_model, read_json
from service.api.representations.listing import (
    AccountJson,
    ListingMeta,
    PageParam,
    ResourceDescription,
    charge_for_objects,
    field_schema,
    in_slices,
    listing,
    resource_schema,
)
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.api.routes.contacts import PATH as CONTACTS
from service.api.routes.contacts import contact_uri, find_contact
from service.model.catalogue import AudienceRule, Catalogue
from service.model.channels import CHANNELS, Channel
from service.model.recipient import Choice, Contact, preference_key

router = APIRouter(prefix="/api/2.0/notification_preferences", tags=["preferences"])

_URI = re.compile(rf".*{re.escape(CONTACTS)}([^/]+)/?")
_MEDIA = tuple(properties.medium for properties in CHANNELS.values())


class Preference(BaseModel):
    """A contact's choice for a notification type on a medium; `api` is the inbox."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contact: str = Field(max_length=2000, examples=[f"{CONTACTS}cc15a0ea-6009-408e-8d47-0d39ad25fd70/"])
    medium: Literal[_MEDIA]  # type: ignore[valid-type]
    type: str = Field(max_length=64)
    value: bool


class _Change(NamedTuple):
    """One preference of a request, and the contact and the channel that it names."""

    preference: Preference
    uuid: str
    channel: Channel


_SCHEMA = resource_schema(
    {
        "contact": field_schema("related", "The path of the contact."),
        "medium": field_schema("string", f"One of {', '.join(_MEDIA)}; `api` is the inbox."),
        "type": field_schema("string", "The notification type."),
        "value": field_schema("boolean", "Whether the contact is notified."),
    },
    of_list=("get", "put"),
    of_one=(),
)
_ONE_OR_MANY = {"oneOf": [schema_ref(Preference), {"type": "array", "items": schema_ref(Preference)}]}


class PreferenceListing(BaseModel):
    """A page of preferences."""

    meta: ListingMeta
    objects: list[Preference]


class ChangedPreferences(BaseModel):
    """The preferences of the request, as they are now."""

    objects: list[Preference]


@router.get(
    "/",
    operation_id="list_preferences",
    summary="List preferences",
    responses={
        200: response(schema_ref(PreferenceListing)),
        **error_responses(400, 401, 429, 503),
    },
)
async def preferences(request: Request, account: CallingAccount, deps: Deps, page: PageParam) -> Response:
    """List the preferences of all contacts of the account. A preference that was never set is on."""
    pairs = _type_channels(deps.catalogue)
    per_contact = len(pairs)
    # A page of preferences can begin and end in the middle of a contact: read the contacts that it touches.
    first, skipped = divmod(page.offset, per_contact)
    contacts = -(-(skipped + page.limit) // per_contact) if page.limit else 0
    stored = await deps.contacts.page(account.id, first, contacts)
    await charge_for_objects(request, account, len(stored.rows) * per_contact)
    return await listing(
        page,
        stored.total * per_contact,
        stored.rows,
        lambda contact: [_preference_view(request, contact, *pair) for pair in pairs],
        skipped=skipped,
    )


@router.get(
    "/detail/",
    operation_id="list_preference_details",
    summary="List preferences, as the list does",
    responses={
        200: response(schema_ref(PreferenceListing)),
        **error_responses(400, 401, 429, 503),
    },
)
async def details(request: Request, account: CallingAccount, deps: Deps, page: PageParam) -> Response:
    """List the preferences: the list has every field already. For clients that ask for details."""
    return await preferences(request, account, deps, page)


@router.get(
    "/schema/",
    operation_id="describe_preferences",
    summary="Describe preferences",
    responses={200: response(schema_ref(ResourceDescription)), **error_responses(401, 429, 503)},
)
async def schema(account: CallingAccount) -> Response:
    """Describe the fields of a preference and the methods of the resource."""
    return AccountJson(_SCHEMA)


@router.put(
    "/",
    status_code=202,
    operation_id="change_preferences",
    summary="Change preferences",
    responses={
        202: response(schema_ref(ChangedPreferences)),
        **error_responses(400, 401, 404, 413, 422, 429, 503),
    },
    openapi_extra=request_body(_ONE_OR_MANY),
)
async def change(request: Request, account: CallingAccount, deps: Deps) -> Response:
    """Change one preference or a list of them, all or none. The response has the preferences of the request."""
    body = await read_json(request)
    many = isinstance(body, list)
    items: Sequence[Any] = body if many else [body]
    await charge_for_objects(request, account, len(items))
    changes: list[_Change] = []
    async for index, item in in_slices(enumerate(items)):
        location = (index,) if many else ()
        preference = parse_model(Preference, item, *location)
        channel = _channel(preference, deps.catalogue, location)
        changes.append(_Change(preference, _contact_uuid(preference.contact), channel))
    now = deps.clock.now_ms()

    async def set_choices(current: Mapping[str, Contact]) -> Sequence[Contact]:
        changed: dict[str, Contact] = {}
        async for preference, uuid, channel in in_slices(changes):
            contact = changed.get(uuid) or find_contact(current, uuid)
            changed[uuid] = _with_choice(contact, preference, channel, now, account.name)
        return list(changed.values())

    uuids = list(dict.fromkeys(change.uuid for change in changes))
    written = {c.uuid: c for c in await deps.writer.change_contacts(account.id, uuids, set_choices)}
    objects: list[Any] = []
    async for preference, uuid, channel in in_slices(changes):
        objects.append(_preference_view(request, written[uuid], preference.type, channel))
    return AccountJson({"objects": objects}, 202)


@lru_cache(maxsize=8)
def _type_channels(catalogue: Catalogue) -> Sequence[tuple[str, Channel]]:
    """Return every account type with each of its channels, in the order of the catalogue."""
    return tuple(
        (type_.name, channel)
        for type_ in catalogue
        if type_.needs(AudienceRule.account)
        for channel in type_.channels
    )


def _preference_view(request: Request, contact: Contact, name: str, channel: Channel) -> dict[str, Any]:
    choice = contact.preferences.get(preference_key(name, channel))
    return {
        "contact": contact_uri(request, contact),
        "medium": CHANNELS[channel].medium,
        "type": name,
        "value": choice.on if choice else True,
    }


def _contact_uuid(uri: str) -> str:
    match = _URI.fullmatch(uri)
    return match[1] if match else ""


def _channel(preference: Preference, catalogue: Catalogue, location: tuple[int, ...]) -> Channel:
    """Return the channel of a preference. Raise ApiError for an unknown type or a medium that it does not have."""
    type_ = catalogue.get(preference.type)
    if type_ is None or type_.name != preference.type or not type_.needs(AudienceRule.account):
        raise body_error("There is no such account type.", pointer_to(*location, "type"))
    for channel in type_.channels:
        if CHANNELS[channel].medium == preference.medium:
            return channel
    raise body_error("The type does not have this medium.", pointer_to(*location, "medium"))


def _with_choice(contact: Contact, preference: Preference, channel: Channel, now_ms: int, by: str) -> Contact:
    """Return the contact with this choice; a choice equal to the current one keeps its date."""
    key = preference_key(preference.type, channel)
    current = contact.preferences.get(key) or Choice(on=True)
    choice = current.turned(on=preference.value, since_ms=now_ms, by=by)
    if choice is current:
        return contact
    return contact.model_copy(update={"preferences": {**contact.preferences, key: choice}})
