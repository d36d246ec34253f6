"""A recipient as callers and import files write it, and its conversion to a table row and back."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from service.model.address import check_address
from service.model.catalogue import Catalogue, NotificationType
from service.model.recipient import Choice, Recipient, preference_key
from service.model.validators import ROLE, FieldProblem, check_language_tag, check_line, check_time_zone

Role = Annotated[str, StringConstraints(pattern=ROLE)]


class RecipientForm(BaseModel):
    """A recipient.

    A recipient with an empty address gets no email. `preferences` holds the choices that were set:
    type → channel → on.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    address: str = Field(default="", max_length=254)
    name: str = Field(default="", max_length=256)
    locale: str = Field(default="en", max_length=64, examples=["de-AT"])
    timezone: str = Field(default="UTC", max_length=64, examples=["Europe/Vienna"])
    roles: list[Role] = Field(default_factory=list, max_length=64)
    preferences: dict[str, dict[str, bool]] = Field(
        default_factory=dict, examples=[{"overbid": {"email": False}}]
    )
    version: int | None = None

    _line = field_validator("name")(check_line)
    _language_tag = field_validator("locale")(check_language_tag)
    _known_zone = field_validator("timezone")(check_time_zone)

    @field_validator("address")
    @classmethod
    def _one_addr_spec(cls, address: str) -> str:
        return check_address(address) if address else ""


def form_of(recipient: Recipient) -> dict[str, Any]:
    """Return the recipient as the form's fields, without id and version."""
    preferences: dict[str, dict[str, bool]] = {}
    for key, choice in recipient.preferences.items():
        name, _, channel = key.rpartition(":")
        preferences.setdefault(name, {})[channel] = choice.on
    return {
        "address": recipient.address,
        "name": recipient.name,
        "locale": recipient.locale,
        "timezone": recipient.timezone,
        "roles": list(recipient.roles),
        "preferences": preferences,
    }


def recipient_of(
    recipient: str, form: RecipientForm, current: Recipient | None, catalogue: Catalogue, now_ms: int
) -> Recipient:
    """Return the row for a form; a choice equal to the current one keeps its date.

    Raise FieldProblem for a new choice whose type or channel the catalogue does not have. Current choices are not
    checked again, so that a type's removal from the catalogue does not block changes to its recipients.
    """
    known: Mapping[str, Choice] = current.preferences if current else {}
    preferences: dict[str, Choice] = {}
    for name, channels in form.preferences.items():
        for channel, on in channels.items():
            key = preference_key(name, channel)
            before = known.get(key)
            if before is None:
                check_channel(declared_type(catalogue, name), channel)
            preferences[key] = (
                before if before and before.on is on else Choice(on=on, since_ms=now_ms, by="api")
            )
    return row_of(recipient, form, preferences, current.version if current else 0)


def row_of(
    recipient: str, form: RecipientForm, preferences: Mapping[str, Choice], version: int = 0
) -> Recipient:
    """Return the row for a form with these preferences, which the caller has checked."""
    return Recipient(
        id=recipient,
        address=form.address,
        name=form.name,
        locale=form.locale,
        timezone=form.timezone,
        roles=tuple(dict.fromkeys(form.roles)),
        preferences=preferences,
        version=version,
    )


def declared_type(catalogue: Catalogue, name: str) -> NotificationType:
    """Return the notification type that a preference names. Raise FieldProblem when the catalogue has none."""
    type_ = catalogue.get(name)
    if type_ is None or type_.name != name:  # `get` also accepts a reverse-DNS prefix, preferences do not
        raise FieldProblem(("preferences", name), "There is no such type.")
    return type_


def check_channel(type_: NotificationType, channel: str) -> None:
    """Raise FieldProblem when the type does not have this channel."""
    if channel not in type_.channels:
        raise FieldProblem(("preferences", type_.name, channel), "The type does not have this channel.")
