"""A recipient as callers and import files write it, and its conversion to a table row and back."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from service.model.address import check_address
from service.model.catalogue import Catalogue, NotificationType
from service.model.holds.calendar import Frequency, QuietHours
from service.model.recipient import Choice, Recipient, preference_key
from service.model.validators import ROLE, FieldProblem, check_language_tag, check_line, check_time_zone

Role = Annotated[str, StringConstraints(pattern=ROLE)]
OFF = "off"
FREQUENCY_WORDS = (*Frequency, OFF)


def _check_preference(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and value in FREQUENCY_WORDS):
        return value
    raise ValueError(f"Must be true, false, or one of {', '.join(FREQUENCY_WORDS)}.")


PreferenceValue = Annotated[
    bool | str,
    PlainValidator(_check_preference),
    WithJsonSchema({"oneOf": [{"type": "boolean"}, {"type": "string", "enum": list(FREQUENCY_WORDS)}]}),
]
"""On, off, or how often mail is sent while it is on; `off` is the same as false."""


class RecipientForm(BaseModel):
    """A recipient.

    A recipient with an empty address gets no email. `preferences` holds the choices that were set: type → channel →
    true, false, or how often mail is sent: at once (`instant`), or in a digest (`hourly`, `daily`, `weekly`); `off` is
    the same as false. `quiet_hours` are spans of local time without mail; null for those of the type.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    address: str = Field(default="", max_length=254)
    name: str = Field(default="", max_length=256)
    locale: str = Field(default="en", max_length=64, examples=["de-AT"])
    timezone: str = Field(default="UTC", max_length=64, examples=["Europe/Vienna"])
    roles: list[Role] = Field(default_factory=list, max_length=64)
    preferences: dict[str, dict[str, PreferenceValue]] = Field(
        default_factory=dict, examples=[{"overbid": {"email": "daily", "inbox": True}}]
    )
    quiet_hours: QuietHours | None = Field(default=None, strict=False)
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
    preferences: dict[str, dict[str, bool | str]] = {}
    for key, choice in recipient.preferences.items():
        name, _, channel = key.rpartition(":")
        preferences.setdefault(name, {})[channel] = (choice.on and choice.frequency) or choice.on
    quiet_hours = recipient.quiet_hours
    return {
        "address": recipient.address,
        "name": recipient.name,
        "locale": recipient.locale,
        "timezone": recipient.timezone,
        "roles": list(recipient.roles),
        "preferences": preferences,
        "quiet_hours": None if quiet_hours is None else [window.model_dump() for window in quiet_hours],
    }


def recipient_of(
    recipient: str, form: RecipientForm, current: Recipient | None, catalogue: Catalogue, now_ms: int
) -> Recipient:
    """Return the row for a form; a choice equal to the current one keeps its date.

    Raise FieldProblem for a new choice that the catalogue does not allow. Current choices are not checked again, so
    that a type's removal from the catalogue does not block changes to its recipients.
    """
    known: Mapping[str, Choice] = current.preferences if current else {}
    preferences: dict[str, Choice] = {}
    for name, channels in form.preferences.items():
        for channel, value in channels.items():
            key = preference_key(name, channel)
            before = known.get(key)
            choice = choice_of(value, since_ms=now_ms, by="api").replacing(before)
            if before is None or choice.frequency is not before.frequency:
                check_choice(catalogue, name, channel, choice)
            preferences[key] = choice
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
        quiet_hours=form.quiet_hours,
        version=version,
    )


def choice_of(value: bool | str, *, since_ms: int = 0, by: str) -> Choice:
    """Return the choice that a preference of a form states."""
    if isinstance(value, bool) or value == OFF:
        return Choice(on=value is True, since_ms=since_ms, by=by)
    return Choice(on=True, since_ms=since_ms, by=by, frequency=Frequency(value))


def check_choice(catalogue: Catalogue, name: str, channel: str, choice: Choice) -> None:
    """Raise FieldProblem when the catalogue has no such type, or the type not this channel or frequency."""
    type_ = declared_type(catalogue, name)
    if channel not in type_.channels:
        raise FieldProblem(("preferences", name, channel), "The type does not have this channel.")
    try:
        type_.check_frequency(channel, choice.frequency)
    except ValueError as error:
        raise FieldProblem(("preferences", name, channel), str(error)) from None


def declared_type(catalogue: Catalogue, name: str) -> NotificationType:
    """Return the notification type that a preference names. Raise FieldProblem when the catalogue has none."""
    type_ = catalogue.get(name)
    if type_ is None or type_.name != name:  # `get` also accepts a reverse-DNS prefix, preferences do not
        raise FieldProblem(("preferences", name), "There is no such type.")
    return type_
