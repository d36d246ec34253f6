"""The catalogue as files: one TOML file per domain, one table per type, all checked before anything starts."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import ValidationError

from service.model.catalogue import DIGEST, AudienceRule, Catalogue, NotificationType
from service.model.channels import Channel
from service.model.event import WITHDRAW
from service.model.urls import link_fields

_SENT_AT_ONCE: Mapping[str, Any] = {
    "mandatory": True,
    "digest": None,
    "limit": None,
    "quiet_hours": None,
    "mail_if_unread_s": 0,
}
"""What the setting `mandatory` changes in a type: nothing holds its mail any more."""


class CatalogueError(Exception):
    """A catalogue that cannot be used; the text is one line that names the file, the type and the field."""


def load_catalogue(directory: Path, mandatory: Sequence[str] = (), locale: str = "en") -> Catalogue:
    """Return the types declared in `directory`/catalogue/*.toml; a file's name is the domain of its types.

    Recipients cannot turn off the types named in `mandatory`, and nothing holds their mail. Each type needs its
    template in the default `locale`, as `directory`/<type>/<locale>.j2. Raise CatalogueError for the first fault.
    """
    types: dict[str, NotificationType] = {}
    files: dict[str, str] = {}
    numbers: dict[int, str] = {}
    for file in _catalogue_files(directory):
        for name, table in _read_tables(file).items():
            place = f"{_short_path(file)}: {_on_one_line(name)}"
            if name in types:
                raise CatalogueError(f"{place}: name: already declared in {files[name]}")
            notification_type = _parse_type(place, file.stem, name, table, name in mandatory)
            number = notification_type.number
            if number is not None and numbers.setdefault(number, name) != name:
                raise CatalogueError(f"{place}: number: {number} is already that of {numbers[number]}")
            if not (directory / name / f"{locale}.j2").is_file():
                raise CatalogueError(f"{place}: no template {name}/{locale}.j2 in {directory}")
            types[name], files[name] = notification_type, _short_path(file)
    for name in mandatory:
        if name not in types:
            raise CatalogueError(f"settings: mandatory: {_on_one_line(name)} is not a type of the catalogue")
    catalogue = Catalogue(types)
    for name, problem in _differing_groups(catalogue):
        raise CatalogueError(f"{files[name]}: {name}: {problem}")
    for notification_type in catalogue:
        if errors := catalogue.meta_errors(notification_type, notification_type.sample.get("data", {})):
            name = notification_type.name
            raise CatalogueError(f"{files[name]}: {name}: sample: {errors}")
    return catalogue


def _catalogue_files(directory: Path) -> Sequence[Path]:
    folder = directory / "catalogue"
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise CatalogueError(f"no catalogue: {folder} holds no TOML file")
    return files


def _read_tables(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{_short_path(file)}: not TOML: {_on_one_line(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{_short_path(file)}: cannot be read: {_on_one_line(error)}") from error


def _parse_type(place: str, domain: str, name: str, table: Any, mandatory: bool) -> NotificationType:
    if not isinstance(table, dict):
        raise CatalogueError(f"{place}: a type must be a table, [{_on_one_line(name)}]")
    for derived, origin in (("name", "name of the table"), ("domain", "name of the file")):
        if derived in table:
            raise CatalogueError(f"{place}: {derived}: must not be set: it is the {origin}")
    fields = {**table, "name": name, "domain": domain}
    try:
        notification_type = NotificationType.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
        raise CatalogueError(f"{place}: {field}: {_on_one_line(reason)}") from error
    for field, reason in _contradictions(notification_type):
        raise CatalogueError(f"{place}: {field}: {reason}")
    return notification_type.model_copy(update=_SENT_AT_ONCE) if mandatory else notification_type


def _contradictions(notification_type: NotificationType) -> Iterator[tuple[str, str]]:
    """Yield field and reason of each value that is well-formed but would fail at the first event."""
    if notification_type.name == WITHDRAW:
        yield "name", "reserved for events that withdraw others"
    if notification_type.name == DIGEST:
        yield "name", "reserved for digests"
    yield from _waits_in_vain(notification_type)
    for number, rule in enumerate(notification_type.audience):
        if (rule.kind is AudienceRule.role) != bool(rule.role):
            yield f"audience.{number}.role", "belongs to kind role, and to no other"
        if rule.field and rule.kind is not AudienceRule.users:
            yield f"audience.{number}.field", "belongs to kind users"
        if rule.field and rule.field not in notification_type.meta:
            yield f"audience.{number}.field", f"{rule.field} is not in meta"
    if notification_type.actor_field and notification_type.actor_field not in notification_type.meta:
        yield "actor_field", f"{notification_type.actor_field} is not in meta"
    for name in link_fields(notification_type.link or ""):
        declared = notification_type.meta.get(name)
        if declared is None or declared.type not in ("string", "integer"):
            yield "link", f"{{{name}}} is not a string or an integer in meta"
    yield from _unknown_fields(notification_type, "supersede", notification_type.supersede or "")
    if notification_type.digest:
        yield from _unknown_fields(notification_type, "digest.key", notification_type.digest.key)


def _unknown_fields(
    notification_type: NotificationType, name: str, template: str
) -> Iterator[tuple[str, str]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        yield name, str(error)
    else:
        for _, field, _, _ in parts:
            if field is not None and field not in notification_type.meta:
                yield name, f"{{{field}}} is not in meta"


def _waits_in_vain(notification_type: NotificationType) -> Iterator[tuple[str, str]]:
    """Yield what holds mail of a type for which nothing may hold it, or which has no mail or no inbox for it."""
    mailed, shown = (channel in notification_type.channels for channel in (Channel.email, Channel.inbox))
    for field in ("digest", "limit", "quiet_hours", "mail_if_unread_s", "reminders"):
        if not getattr(notification_type, field):
            continue
        name = field.removesuffix("_s")
        if not mailed:
            yield name, "the type has no mail"
        if notification_type.mandatory and field in {"digest", "limit", "quiet_hours"}:
            yield name, "mail of a mandatory type is sent at once"
    for field in ("mail_if_unread_s", "reminders"):
        if getattr(notification_type, field) and not shown:
            yield field.removesuffix("_s"), "the type has no inbox to be read in"


def _differing_groups(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield type and problem where types of one group differ in what belongs to the whole digest."""
    for group, types in catalogue.digest_groups().items():
        first = types[0]
        for notification_type in types[1:]:
            for field in ("at", "day", "most"):
                if getattr(notification_type.digest, field) != getattr(first.digest, field):
                    problem = f"digest.{field}: differs from that of {first.name}, which is in the group {group} too"
                    yield notification_type.name, problem


def _short_path(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _on_one_line(value: object) -> str:
    """Return the text of `value` with every run of white space as one space."""
    return " ".join(str(value).split())
