"""A row of a file as a recipient, or the reason why not: the API's own form, and whether locale and zone are known."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from pydantic import ValidationError

from service.api.recipient_form import RecipientForm
from service.cli.importing.reading import Refusal
from service.model.catalogue import Catalogue
from service.model.recipient import Choice, Recipient, preference_key

_LONGEST_ID = 128


def recipient_of(fields: Mapping[str, Any], catalogue: Catalogue) -> Recipient:
    """The recipient that a row describes as a whole: what is left out gets its default. Raises Refusal.

    Preferences are `{"overbid": {"email": false}}` or `{"overbid:email": false}`; their dates are set when written.
    """
    name = fields.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        raise Refusal(f"id: must be a text of 1 to {_LONGEST_ID} characters")
    if not name.isprintable() or name.strip() != name:
        raise Refusal("id: must be printable and not begin or end with a space")
    rest = {key: value for key, value in fields.items() if key not in ("id", "version")}
    if isinstance(rest.get("preferences"), Mapping):
        rest["preferences"] = _nested(rest["preferences"])
    try:
        form = RecipientForm.model_validate(rest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))[:200]
        raise Refusal(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    if not _known_locale(form.locale):
        raise Refusal("locale: not a known language")
    return Recipient(
        id=name,
        address=form.address,
        name=form.name,
        locale=form.locale,
        timezone=form.timezone,
        roles=tuple(dict.fromkeys(form.roles)),
        preferences=_preferences(form, catalogue),
    )


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Both ways of writing preferences as the API's."""
    nested: dict[str, Any] = {}
    for key, value in given.items():
        name, colon, channel = key.partition(":")
        if colon:
            nested.setdefault(name, {})[channel] = value
        else:
            nested[key] = {**nested.get(key, {}), **value} if isinstance(value, Mapping) else value
    return nested


def _preferences(form: RecipientForm, catalogue: Catalogue) -> dict[str, Choice]:
    found = {}
    for name, channels in form.preferences.items():
        row = catalogue.get(name)
        if row is None or row.name != name:
            raise Refusal(f"preferences.{name[:64]}: there is no such type")
        for channel, on in channels.items():
            if channel not in row.channels:
                raise Refusal(f"preferences.{name}.{channel[:64]}: the type does not have this channel")
            found[preference_key(name, channel)] = Choice(on=on, by="import")
    return found


@lru_cache(maxsize=1024)
def _known_locale(tag: str) -> bool:
    try:
        return Locale.parse(tag.replace("-", "_")) is not None
    except (ValueError, UnknownLocaleError):
        return False
