"""The catalogue as files: one TOML file per domain, one table per type, all checked before anything starts.

In a directory of one's own that is merged with the shipped one, a table with the name of a shipped type overrides the
fields that it names; all other fields, and the domain, stay as shipped.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.adapters.catalogue_rules import contradictions, differing_groups
from service.adapters.template_files import TemplateFiles
from service.adapters.toml_lines import TomlLines
from service.model.catalogue import Catalogue, NotificationType
from service.settings import Settings

_SENT_AT_ONCE: Mapping[str, Any] = {
    "mandatory": True,
    "digest": None,
    "limit": None,
    "quiet_hours": None,
    "mail_if_unread_s": 0,
}
"""What the setting `mandatory` changes in a type: nothing holds its mail any more."""
_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


class CatalogueError(Exception):
    """A catalogue that cannot be used; the text is one line: file, line, type, field and reason of the first fault."""


def load_catalogue(directory: Path, mandatory: Sequence[str] = (), locale: str = "en") -> Catalogue:
    """Return the catalogue of one directory. Raise CatalogueError for the first fault. See `read_catalogue`."""
    return read_catalogue(TemplateFiles(directory), mandatory, locale)


def read_catalogue(files: TemplateFiles, mandatory: Sequence[str] = (), locale: str = "en") -> Catalogue:
    """Return the types that the files `catalogue/*.toml` declare; a file's name is the domain of its types.

    Recipients cannot turn off the types named in `mandatory`, and nothing holds their mail. Each type needs its
    template in the default `locale`, as <type>/<locale>.j2. Raise CatalogueError for the first fault.
    """
    reader = _CatalogueReader(files, mandatory, locale)
    for fault in reader.faults():
        raise CatalogueError(fault)
    return reader.catalogue


def catalogue_faults(
    files: TemplateFiles, mandatory: Sequence[str] = (), locale: str = "en"
) -> Iterator[str]:
    """Yield every fault of a catalogue, a line each; of a type the first."""
    return _CatalogueReader(files, mandatory, locale).faults()


def configured_catalogue(settings: Settings, files: TemplateFiles | None = None) -> Catalogue:
    """Return the catalogue of the settings; without `files`, they are read now. Raise CatalogueError."""
    files = files or TemplateFiles.of(settings.templates)
    return read_catalogue(files, settings.mandatory, settings.templates.locale)


class _Fault(Exception):
    """A fault of a field of a type."""

    def __init__(self, field_name: str, reason: str) -> None:
        super().__init__(f"{field_name}: {reason}" if field_name else reason)
        self.field = field_name


@dataclass(frozen=True)
class _File:
    """A file of the catalogue with its tables. `level`: that of its directory; higher ones override lower ones."""

    path: Path
    level: int
    text: str
    tables: Mapping[str, Any]

    @cached_property
    def lines(self) -> TomlLines:
        """Return the lines of what it declares; they are needed for messages about faults only."""
        return TomlLines(self.text)


@dataclass
class _Declaration:
    """A type with the files that declare it, the one that overrides the others last."""

    name: str
    files: list[_File] = field(default_factory=list)

    def place(self, field_name: str) -> str:
        """Return `FILE:LINE: TYPE` of a field such as `audience.0.role`: where it is declared, else of the table."""
        steps = [int(step) if step.isdecimal() else step for step in field_name.split(".") if step]
        for file in reversed(self.files):
            table = file.tables[self.name]
            if steps and isinstance(table, dict) and steps[0] in table:
                return self._place(file, (self.name, *steps))
        return self._place(self.files[-1], (self.name,))

    def _place(self, file: _File, path: tuple[str | int, ...]) -> str:
        return f"{file.path}:{file.lines.line(path)}: {_on_one_line(self.name)}"

    def fields(self) -> dict[str, Any]:
        """Return the fields with those that the table's place decides. Raise _Fault for what cannot be a table."""
        fields: dict[str, Any] = {}
        for file in self.files:
            table = file.tables[self.name]
            if not isinstance(table, dict):
                raise _Fault("", f"a type must be a table, [{_on_one_line(self.name)}]")
            for derived, origin in (("name", "name of the table"), ("domain", "name of the file")):
                if derived in table:
                    raise _Fault(derived, f"must not be set: it is the {origin}")
            fields |= table
        return fields | {"name": self.name, "domain": self.files[0].path.stem}


class _CatalogueReader:
    """Reads a catalogue; `catalogue` has it once `faults` has yielded none."""

    def __init__(self, files: TemplateFiles, mandatory: Sequence[str], locale: str) -> None:
        self._files = files
        self._mandatory = mandatory
        self._locale = locale
        self._declared: dict[str, _Declaration] = {}
        self._types: dict[str, NotificationType] = {}
        self.catalogue = Catalogue({})

    def faults(self) -> Iterator[str]:
        """Read everything, and yield each fault in one line."""
        for directory in self._files.directories:
            if not directory.is_dir():
                yield f"settings: templates: {directory} is not a folder"
        if not self._files.catalogue:
            yield f"no catalogue: {self._files.directories[0] / 'catalogue'} holds no TOML file"
        for path, level in self._files.catalogue.items():
            yield from self._declare(path, level)
        numbers: dict[int, str] = {}
        for declaration in self._declared.values():
            try:
                type_ = self._parse(declaration, numbers)
            except _Fault as fault:
                yield f"{declaration.place(fault.field)}: {fault}"
            else:
                self._types[type_.name] = type_
        for name in self._mandatory:
            if name not in self._declared:
                yield f"settings: mandatory: {_on_one_line(name)} is not a type of the catalogue"
        self.catalogue = Catalogue(self._types)
        for name, field_name, reason in differing_groups(self.catalogue):
            yield f"{self._declared[name].place(field_name)}: {field_name}: {reason}"
        for type_ in self.catalogue:
            if errors := self.catalogue.meta_errors(type_, type_.sample.get("data", {})):
                yield f"{self._declared[type_.name].place('sample')}: sample: {errors}"

    def _declare(self, path: Path, level: int) -> Iterator[str]:
        """Note the tables of a file."""
        try:
            text = self._files.text_at(path)
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = _TOML_LINE.search(str(error))
            place = f"{path}:{line[1]}" if line else str(path)
            yield f"{place}: not TOML: {_on_one_line(_TOML_LINE.sub('', str(error)))}"
            return
        except (OSError, UnicodeDecodeError) as error:
            yield f"{path}: cannot be read: {_on_one_line(error)}"
            return
        file = _File(path, level, text, tables)
        for name in tables:
            declaration = self._declared.setdefault(name, _Declaration(name))
            if declaration.files and declaration.files[-1].level == file.level:
                other, place = declaration.files[-1].path, _Declaration(name, [file]).place("")
                yield f"{place}: name: already declared in {other}"
            else:
                declaration.files.append(file)

    def _parse(self, declaration: _Declaration, numbers: dict[int, str]) -> NotificationType:
        """Return a type. Raise _Fault."""
        name = declaration.name
        try:
            type_ = NotificationType.model_validate(declaration.fields())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field_name = ".".join(str(part) for part in first["loc"])
            reason = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
            raise _Fault(field_name, _on_one_line(reason)) from error
        for field_name, reason in contradictions(type_):
            raise _Fault(field_name, reason)
        if type_.number is not None and numbers.setdefault(type_.number, name) != name:
            raise _Fault("number", f"{type_.number} is already that of {numbers[type_.number]}")
        if f"{name}/{self._locale}.j2" not in self._files:
            where = self._files.directories[0]
            raise _Fault("", f"no template {name}/{self._locale}.j2 in {where}")
        return type_.model_copy(update=_SENT_AT_ONCE) if name in self._mandatory else type_


def _on_one_line(value: object) -> str:
    """Return the text of `value` with every run of white space as one space."""
    return " ".join(str(value).split())
