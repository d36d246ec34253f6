"""Conversion of a row of a file to a recipient, by the API's form; the locale must be known as well."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from pydantic import ValidationError

from service.api.representations.recipient_form import RecipientForm, check_choice, choice_of, row_of
from service.cli.importing.row_reader import Refusal
from service.model.catalogue import Catalogue
from service.model.recipient import Choice, Recipient, preference_key
from service.model.validators import FieldProblem

_MAX_ID_CHARACTERS = 128
_MAX_NAME_CHARACTERS = 64  # of a name in the file that a refusal repeats


def recipient_of(fields: Mapping[str, Any], catalogue: Catalogue) -> Recipient:
    """Return the recipient that a row describes; fields that are left out get their defaults. Raise Refusal.

    Preferences are `{"overbid": {"email": false}}` or `{"overbid:email": "daily"}`; their dates are set when written.
    """
    id_ = fields.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= _MAX_ID_CHARACTERS:
        raise Refusal(f"id: must be a text of 1 to {_MAX_ID_CHARACTERS} characters")
    if not id_.isprintable() or id_.strip() != id_:
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
    try:
        preferences = _preferences(form, catalogue)
    except FieldProblem as problem:
        place = ".".join(part[:_MAX_NAME_CHARACTERS] for part in problem.field)
        raise Refusal(f"{place}: {problem.message[0].lower()}{problem.message[1:].rstrip('.')}") from None
    return row_of(id_, form, preferences)


def _nested(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """Return preferences of either notation in the API's: type → channel → on."""
    nested: dict[str, Any] = {}
    for key, value in preferences.items():
        name, colon, channel = key.partition(":")
        if colon:
            nested.setdefault(name, {})[channel] = value
        else:
            nested[key] = {**nested.get(key, {}), **value} if isinstance(value, Mapping) else value
    return nested


def _preferences(form: RecipientForm, catalogue: Catalogue) -> dict[str, Choice]:
    """Return the preferences of a row by key. Raise FieldProblem for one that the catalogue does not allow."""
    choices = {}
    for name, channels in form.preferences.items():
        for channel, value in channels.items():
            choice = choice_of(value, by="import")
            check_choice(catalogue, name, channel, choice)
            choices[preference_key(name, channel)] = choice
    return choices


@lru_cache(maxsize=1024)
def _known_locale(tag: str) -> bool:
    try:
        return Locale.parse(tag.replace("-", "_")) is not None
    except (ValueError, UnknownLocaleError):
        return False
