"""The catalogue as files: one TOML file a domain, one table a type, checked whole before anything starts."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import ValidationError

from service.model.catalogue import AudienceRule, Catalogue, NotificationType
from service.model.event import WITHDRAW


class CatalogueError(Exception):
    """The catalogue cannot be used. One line that names the file, the type and the field."""


def load_catalogue(directory: Path, mandatory: Sequence[str] = (), locale: str = "en") -> Catalogue:
    """The types declared in `directory`/catalogue/*.toml; a file's name is the domain of its types.

    Types named in `mandatory` cannot be turned off. Each type needs its template in the default `locale`, as
    `directory`/<type>/<locale>.j2. Raises CatalogueError for the first fault found.
    """
    rows: dict[str, NotificationType] = {}
    files: dict[str, str] = {}
    numbers: dict[int, str] = {}
    for file in _files(directory):
        for name, table in _tables(file).items():
            place = f"{_shown(file)}: {_line(name)}"
            if name in rows:
                raise CatalogueError(f"{place}: name: already declared in {files[name]}")
            row = _row(place, file.stem, name, table, name in mandatory)
            if row.number is not None and numbers.setdefault(row.number, name) != name:
                raise CatalogueError(
                    f"{place}: number: {row.number} is already that of {numbers[row.number]}"
                )
            if not (directory / name / f"{locale}.j2").is_file():
                raise CatalogueError(f"{place}: no template {name}/{locale}.j2 in {directory}")
            rows[name], files[name] = row, _shown(file)
    for name in mandatory:
        if name not in rows:
            raise CatalogueError(f"settings: mandatory: {_line(name)} is no type of the catalogue")
    catalogue = Catalogue(rows)
    for row in catalogue:
        if errors := catalogue.meta_errors(row, row.sample.get("data", {})):
            raise CatalogueError(f"{files[row.name]}: {row.name}: sample: {errors}")
    return catalogue


def _files(directory: Path) -> Sequence[Path]:
    folder = directory / "catalogue"
    found = sorted(folder.glob("*.toml"))
    if not found:
        raise CatalogueError(f"no catalogue: {folder} holds no TOML file")
    return found


def _tables(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{_shown(file)}: not TOML: {_line(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{_shown(file)}: cannot be read: {_line(error)}") from error


def _row(place: str, domain: str, name: str, table: Any, mandatory: bool) -> NotificationType:
    if not isinstance(table, dict):
        raise CatalogueError(f"{place}: a type is a table, [{_line(name)}]")
    for given in ("name", "domain"):
        if given in table:
            raise CatalogueError(f"{place}: {given}: taken from the table and the file, not to be given")
    fields = {**table, "name": name, "domain": domain}
    if mandatory:
        fields["mandatory"] = True
    try:
        row = NotificationType.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        said = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
        raise CatalogueError(f"{place}: {field}: {_line(said)}") from error
    for field, said in _contradictions(row):
        raise CatalogueError(f"{place}: {field}: {said}")
    return row


def _contradictions(row: NotificationType) -> Iterator[tuple[str, str]]:
    """What is well-formed and yet could never work, found now rather than at the first event."""
    if row.name == WITHDRAW:
        yield "name", "reserved: with it producers take events back"
    for number, rule in enumerate(row.audience):
        if (rule.kind is AudienceRule.role) != bool(rule.role):
            yield f"audience.{number}.role", "belongs to kind role, and to no other"
        if rule.field and rule.kind is not AudienceRule.users:
            yield f"audience.{number}.field", "belongs to kind users"
        if rule.field and rule.field not in row.meta:
            yield f"audience.{number}.field", f"{rule.field} is not in meta"
    if row.actor_field and row.actor_field not in row.meta:
        yield "actor_field", f"{row.actor_field} is not in meta"
    try:
        holes = [hole for _, hole, _, _ in Formatter().parse(row.supersede or "") if hole is not None]
    except ValueError as error:
        yield "supersede", str(error)
    else:
        for hole in holes:
            if hole not in row.meta:
                yield "supersede", f"{{{hole}}} is not in meta"


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _line(value: object) -> str:
    """In one line, whatever it holds."""
    return " ".join(str(value).split())
