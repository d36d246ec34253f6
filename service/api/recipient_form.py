"""A recipient as callers write it, and its way into the table and back."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from service.model.address import check_address
from service.model.catalogue import Catalogue, NotificationType
from service.model.field_problem import FieldProblem
from service.model.recipient import Choice, Recipient, preference_key
from service.model.validators import ROLE, language_tag, line, time_zone

Role = Annotated[str, StringConstraints(pattern=ROLE)]


class RecipientForm(BaseModel):
    """A recipient.

    An empty address means that mail is not for them; `preferences` holds what was set: type → channel → on.
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

    _line = field_validator("name")(line)
    _language_tag = field_validator("locale")(language_tag)
    _known_zone = field_validator("timezone")(time_zone)

    @field_validator("address")
    @classmethod
    def _one_addr_spec(cls, address: str) -> str:
        return check_address(address) if address else ""


def form_of(row: Recipient) -> dict[str, Any]:
    """The row as callers see it, but for its id and version."""
    preferences: dict[str, dict[str, bool]] = {}
    for key, choice in row.preferences.items():
        name, _, channel = key.rpartition(":")
        preferences.setdefault(name, {})[channel] = choice.on
    return {
        "address": row.address,
        "name": row.name,
        "locale": row.locale,
        "timezone": row.timezone,
        "roles": list(row.roles),
        "preferences": preferences,
    }


def recipient_of(
    recipient: str, form: RecipientForm, standing: Recipient | None, catalogue: Catalogue, now_ms: int
) -> Recipient:
    """The row for a form; a choice that stands already keeps its date.

    Raises FieldProblem for types that there are not.
    """
    known: Mapping[str, Choice] = standing.preferences if standing else {}
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
    return Recipient(
        id=recipient,
        address=form.address,
        name=form.name,
        locale=form.locale,
        timezone=form.timezone,
        roles=tuple(dict.fromkeys(form.roles)),
        preferences=preferences,
        version=standing.version if standing else 0,
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
