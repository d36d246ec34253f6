"""Every setting by the name of its environment variable, with its value, secrets hidden, and where it is set."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from service.cli.support.table import Column
from service.settings import Settings
from service.settings.origins import setting_origins

SETTING_COLUMNS = (Column("setting", priority=9, narrow=30), Column("value", priority=8))
CONFIG_COLUMNS = (*SETTING_COLUMNS, Column("origin", priority=7, narrow=11))
_HIDDEN = "**********"
_Place = tuple[str, ...]


def setting_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return `setting` and `value` of each setting; of the Redis URL only the password is hidden."""
    document = _without_secrets(settings)
    return [{"setting": _variable(place), "value": value} for place, value in _leaves(document)]


def config_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return `setting`, `value` and `origin` of each setting.

    The origin is `environment`, `secret file`, `profile NAME`, `default`, or `derived` from other settings. Raise
    ProfileError.
    """
    origins = {name: dict(_leaves(document)) for name, document in setting_origins().items()}
    defaults = dict(_leaves(_defaults(Settings)))
    return [
        {"setting": _variable(place), "value": value, "origin": _origin(place, value, origins, defaults)}
        for place, value in _leaves(_without_secrets(settings))
    ]


def _origin(
    place: _Place, value: Any, origins: Mapping[str, Mapping[_Place, Any]], defaults: Mapping[_Place, Any]
) -> str:
    for name, places in origins.items():
        if any(one[: len(place)] == place or place[: len(one)] == one for one in places):
            return name
    return "default" if defaults.get(place, value) == value else "derived"


def _without_secrets(settings: Settings) -> dict[str, Any]:
    document = settings.model_dump(mode="json")
    url = urlsplit(settings.redis.url.get_secret_value())
    if url.password:
        user, _, host = url.netloc.rpartition("@")
        url = url._replace(netloc=f"{user.partition(':')[0]}:{_HIDDEN}@{host}")
    document["redis"]["url"] = urlunsplit(url)
    return document


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the settings are where nothing is set; the URL of Redis, which is a secret, as text."""
    values = {
        name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()
    }
    document = model.model_construct(**values).model_dump(mode="json")
    document["redis"]["url"] = values["redis"].url.get_secret_value()
    return document


def _leaves(document: Mapping[str, Any], above: _Place = ()) -> Iterator[tuple[_Place, Any]]:
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        elif value != {}:
            yield (*above, name), value


def _variable(place: _Place) -> str:
    return f"TOCSIN_{'__'.join(place).upper()}"
