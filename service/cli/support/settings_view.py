"""Every setting by the name of its environment variable, with its value, secrets hidden."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from service.cli.support.table import Column
from service.settings import Settings

SETTING_COLUMNS = (Column("setting", priority=9, narrow=30), Column("value", priority=8))
_HIDDEN = "**********"


def setting_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return `setting` and `value` of each setting; of the Redis URL only the password is hidden."""
    document = settings.model_dump(mode="json")
    url = urlsplit(settings.redis.url.get_secret_value())
    if url.password:
        user, _, host = url.netloc.rpartition("@")
        url = url._replace(netloc=f"{user.partition(':')[0]}:{_HIDDEN}@{host}")
    document["redis"]["url"] = urlunsplit(url)
    return [{"setting": name, "value": value} for name, value in _variables("TOCSIN", document)]


def _variables(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _variables(f"{prefix}{'_' if prefix == 'TOCSIN' else '__'}{name.upper()}", inner)
    else:
        yield prefix, value
