"""Preferences of the calling account's contacts: contact × account type × the medium that the type has."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.auth.guard import OfAccount
from service.api.deps import Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import invalid, pointer_to
from service.api.listing import AccountJson, Part, listing, listing_schema, objects_schema
from service.api.middleware import checked, json_of
from service.api.routes.contacts import PATH as CONTACTS
from service.api.routes.contacts import one, uri
from service.model.catalogue import AudienceRule, Catalogue
from service.model.channels import Channel
from service.model.recipient import Choice, Contact, preference_key

router = APIRouter(prefix="/api/2.0/notification_preferences", tags=["preferences"])

_URI = re.compile(rf".*{re.escape(CONTACTS)}([^/]+)/?")
_MEDIUM: Mapping[Channel, str] = {Channel.email: "email", Channel.inbox: "api"}


class Preference(BaseModel):
    """Whether a contact hears of a type on a medium; `api` is the inbox."""

    model_config = ConfigDict(extra="forbid", strict=True)

    contact: str = Field(max_length=2000, examples=[f"{CONTACTS}cc15a0ea-6009-408e-8d47-0d39ad25fd70/"])
    medium: Literal["email", "api"]
    type: str = Field(max_length=64)
    value: bool


_ONE_OR_MANY = {"oneOf": [ref(Preference), {"type": "array", "items": ref(Preference)}]}


@router.get(
    "/",
    summary="The preferences of the account's contacts",
    responses={200: answer(listing_schema(ref(Preference))), **refusals(400, 401, 429, 503)},
)
async def preferences(request: Request, account: OfAccount, deps: Deps, part: Part) -> Response:
    """All there are: what nobody has set is on."""
    pairs = _pairs(deps.catalogue)
    kinds = len(pairs)
    first, skipped = divmod(part.offset, kinds)
    contacts = -(-(skipped + part.limit) // kinds) if part.limit else 0
    page = await deps.contacts.page(account.id, first, contacts)
    every = [(row, *pair) for row in page.rows for pair in pairs]
    objects = [_shown(request, *one) for one in every[skipped : skipped + part.limit if part.limit else None]]
    return listing(part, page.total * kinds, objects)


@router.put(
    "/",
    status_code=202,
    summary="Change preferences",
    responses={202: answer(objects_schema(ref(Preference))), **refusals(400, 401, 404, 413, 422, 429, 503)},
    openapi_extra=json_body(_ONE_OR_MANY),
)
async def change(request: Request, account: OfAccount, deps: Deps) -> Response:
    """One object or a list; all of it or nothing. The answer has those of the request, and only those."""
    body = await json_of(request)
    many = isinstance(body, list)
    asked = [
        checked(Preference, given, *([index] if many else []))
        for index, given in enumerate(body if many else [body])
    ]
    channels = [
        _channel(preference, deps.catalogue, index if many else None)
        for index, preference in enumerate(asked)
    ]
    now = deps.clock.now_ms()

    def set_choices(standing: Sequence[Contact]) -> Sequence[Contact]:
        rows: dict[str, Contact] = {}
        for preference, channel in zip(asked, channels, strict=True):
            uuid = _uuid(preference.contact)
            row = rows.get(uuid) or one(standing, uuid)
            rows[uuid] = _with(row, preference, channel, now, account.name)
        return list(rows.values())

    written = {row.uuid: row for row in await deps.writer.contacts(account.id, set_choices)}
    objects = [
        _shown(request, written[_uuid(preference.contact)], preference.type, channel)
        for preference, channel in zip(asked, channels, strict=True)
    ]
    return AccountJson({"objects": objects}, 202)


@lru_cache(maxsize=8)
def _pairs(catalogue: Catalogue) -> Sequence[tuple[str, Channel]]:
    """Every account type with each of its channels, in the order of the catalogue."""
    return tuple(
        (row.name, channel)
        for row in catalogue
        if row.needs(AudienceRule.account)
        for channel in row.channels
    )


def _shown(request: Request, contact: Contact, name: str, channel: Channel) -> dict[str, Any]:
    choice = contact.preferences.get(preference_key(name, channel))
    return {
        "contact": uri(request, contact),
        "medium": _MEDIUM[channel],
        "type": name,
        "value": choice.on if choice else True,
    }


def _uuid(contact: str) -> str:
    match = _URI.fullmatch(contact)
    return match[1] if match else ""


def _channel(preference: Preference, catalogue: Catalogue, index: int | None) -> Channel:
    """The channel of a preference. Raises ApiError for a type or medium that there is not."""
    row = catalogue.get(preference.type)
    place = () if index is None else (index,)
    if row is None or row.name != preference.type or not row.needs(AudienceRule.account):
        raise invalid("There is no such account type.", pointer_to(*place, "type"))
    for channel in row.channels:
        if _MEDIUM[channel] == preference.medium:
            return channel
    raise invalid("The type does not have this medium.", pointer_to(*place, "medium"))


def _with(row: Contact, preference: Preference, channel: Channel, now_ms: int, by: str) -> Contact:
    """The contact with this choice; one that says the same already keeps its date."""
    key = preference_key(preference.type, channel)
    standing = row.preferences.get(key)
    if (standing.on if standing else True) is preference.value:
        return row
    choice = Choice(on=preference.value, since_ms=now_ms, by=by)
    return row.model_copy(update={"preferences": {**row.preferences, key: choice}})
