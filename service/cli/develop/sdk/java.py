"""Typed events in Java: a record with a builder for each type, each in a file of its own."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from textwrap import indent, wrap

from service.cli.develop.sdk.description import (
    DataFieldDescription,
    TypeDescription,
    audience_text,
    class_names,
)

PACKAGE = "io.tocsin.client.types"
_PACKAGE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")
_KEYWORDS = frozenset((
    "_", "abstract", "assert", "boolean", "break", "byte", "case", "catch", "char", "class", "const", "continue",
    "default", "do", "double", "else", "enum", "extends", "false", "final", "finally", "float", "for", "goto",
    "if", "implements", "import", "instanceof", "int", "interface", "long", "native", "new", "null", "package",
    "private", "protected", "public", "return", "short", "static", "strictfp", "super", "switch", "synchronized",
    "this", "throw", "throws", "transient", "true", "try", "void", "volatile", "while",
))  # fmt: skip
_COMPONENTS = frozenset((
    "clone", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait", "builder", "fields",
    "other",
))  # fmt: skip
_RESERVED = frozenset((
    "Boolean", "Builder", "Data", "DataField", "Event", "EventAttributes", "EventBuilder", "EventData",
    "EventType", "List", "Long", "Map", "Number", "Object", "OffsetDateTime", "Override", "Record", "String",
))  # fmt: skip
_TYPES = {
    "string": "String",
    "integer": "Long",
    "number": "Number",
    "boolean": "Boolean",
    "datetime": "OffsetDateTime",
    "object": "Map<String, ?>",
    "list": "List<?>",
}
_PARAMETERS = {**_TYPES, "integer": "long", "boolean": "boolean"}
_ATTRIBUTES = {
    "recipients": (("List<String>", "recipients", "the recipients"),),
    "external_id": (
        ("String", "externalId", "the group"),
        ("String", "projectId", "the part of the group; optional"),
    ),
    "account": (("String", "account", "the account"),),
}
_IMPORTS = {
    "DataField": "io.tocsin.client.DataField",
    "Event": "io.tocsin.client.Event",
    "EventAttributes": "io.tocsin.client.EventAttributes",
    "EventBuilder": "io.tocsin.client.EventBuilder",
    "EventData": "io.tocsin.client.EventData",
    "EventType": "io.tocsin.client.EventType",
    "OffsetDateTime": "java.time.OffsetDateTime",
    "List": "java.util.List",
    "Map": "java.util.Map",
}
_INDENT = "  "
_COLUMNS = 100
_LONGEST_LIST = 60


def generate(types: Sequence[TypeDescription], package: str = PACKAGE) -> dict[str, str]:
    """Return the files by their paths below the source folder.

    Raise ValueError for types whose classes would have the same name, and for what is no package.
    """
    if not _PACKAGE.fullmatch(package):
        raise ValueError(f"{package} is no package")
    names = class_names(types, _RESERVED)
    folder = package.replace(".", "/")
    return {f"{folder}/{names[t.name]}.java": _file(t, names[t.name], package) for t in types}


def _file(type_: TypeDescription, name: str, package: str) -> str:
    source = "\n".join(_event(type_, name))
    imports = [f"import {path};" for word, path in _IMPORTS.items() if re.search(rf"\b{word}\b", source)]
    head = "// Written by `tocsin types generate java`: do not edit."
    return f"{head}\npackage {package};\n\n" + "\n".join(imports) + f"\n\n{source}\n"


def _event(type_: TypeDescription, name: str) -> Iterator[str]:
    audience = [attribute for need in type_.needs for attribute in _ATTRIBUTES[need]]
    components = [("EventAttributes", "attributes"), *((t, n) for t, n, _ in audience), ("Data", "data")]
    values = ", ".join(component for _, component in components)
    yield from _javadoc(*dict.fromkeys((type_.title, type_.description)), audience_text(type_))
    yield f"public record {name}({_listed(components)}) implements Event {{"
    yield f"{_INDENT}public static final EventType TYPE ="
    yield from _inner(_declaration(type_), 3)
    yield ""
    yield from _inner(_method("EventType eventType()", "return TYPE;", override=True))
    yield ""
    yield from _inner(
        _method(f"{name} with(EventAttributes attributes)", f"return new {name}({values});", override=True)
    )
    yield ""
    yield from _inner(_javadoc("Return a builder."))
    yield from _inner(_method("static Builder builder()", "return new Builder();"))
    yield ""
    yield from _inner(_data(type_))
    yield ""
    yield from _inner(_event_builder(type_, name, audience, values))
    yield "}"


def _declaration(type_: TypeDescription) -> Iterator[str]:
    yield "new EventType("
    yield f"    {_text(type_.name)},"
    yield f"    List.of({', '.join(map(_text, type_.needs))}),"
    yield f"    List.of({', '.join(map(_text, type_.recipient_fields))}),"
    fields = [
        f"        new DataField({_text(f.name)}, {_text(f.type)}, {str(f.required).lower()})"
        for f in type_.fields
    ]
    yield f"    List.of({'' if fields else '),'}"
    if fields:
        yield ",\n".join(fields) + "),"
    yield f"    {'null' if type_.supersede is None else _text(type_.supersede)});"


def _event_builder(
    type_: TypeDescription, name: str, audience: Sequence[tuple[str, str, str]], values: str
) -> Iterator[str]:
    yield from _javadoc("Sets attributes and data.")
    yield "public static final class Builder extends EventBuilder<Builder> {"
    for kind, attribute, _ in audience:
        yield f"{_INDENT}private {kind} {attribute};"
    yield f"{_INDENT}private Data data = Data.builder().build();"
    for kind, attribute, meaning in audience:
        yield ""
        yield from _inner(_javadoc(f"Set {meaning}."))
        yield from _inner(_setter(kind, attribute))
        if attribute == "recipients":
            yield ""
            yield from _inner(_javadoc(f"Set {meaning}."))
            yield from _inner(
                _method("Builder recipients(String... recipients)", "return recipients(List.of(recipients));")
            )
    yield ""
    yield from _inner(_javadoc("Set the data."))
    yield from _inner(_setter("Data", "data"))
    yield ""
    yield from _inner(_javadoc("Return the event. It is validated when it is published."))
    build = f"return new {name}({values.replace('attributes', 'attributes()', 1)});"
    yield from _inner(_method(f"{name} build()", build))
    yield "}"


def _data(type_: TypeDescription) -> Iterator[str]:
    named = list(_named(type_.fields))
    components = [(_TYPES[field.type], name) for field, name in named] + [("Map<String, Object>", "other")]
    pairs = "".join(f",\n      {_text(field.name)}, {name}" for field, name in named)
    by_name = [field.name for field in type_.fields if field not in [field for field, _ in named]]
    more = f"Set by `put`: {', '.join(f'`{name}`' for name in by_name)}." if by_name else ""
    yield from _javadoc(*filter(None, (f"Data of `{type_.name}`.", more)))
    yield f"public record Data({_listed(components)}) implements EventData {{"
    yield from _inner(_javadoc("Return a builder."))
    yield from _inner(_method("static Builder builder()", "return new Builder();"))
    yield ""
    yield from _inner(
        _method("Map<String, Object> fields()", f"return EventData.fields(other{pairs});", override=True)
    )
    yield ""
    yield from _inner(_javadoc("Sets the fields of the data."))
    yield f"{_INDENT}public static final class Builder extends EventData.Builder<Builder> {{"
    for field, name in named:
        yield f"{_INDENT * 2}private {_TYPES[field.type]} {name};"
    for field, name in named:
        yield ""
        yield from _inner(_javadoc(_meaning(field)), 2)
        yield from _inner(_setter(_PARAMETERS[field.type], name), 2)
    yield ""
    yield from _inner(_javadoc("Return the data."), 2)
    values = "".join(f"{name}, " for _, name in named)
    yield from _inner(_method("Data build()", f"return new Data({values}other());"), 2)
    yield f"{_INDENT}}}"
    yield "}"


def _named(fields: Sequence[DataFieldDescription]) -> Iterator[tuple[DataFieldDescription, str]]:
    """Yield the fields that have a component of the record, with its name. The others are set by their names."""
    used = set()
    for field in fields:
        first, *rest = field.name.split("_")
        name = first + "".join(part[:1].upper() + part[1:] for part in rest)
        name = f"{name}_" if name in _KEYWORDS | _COMPONENTS else name
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and name not in used:
            used.add(name)
            yield field, name


def _meaning(field: DataFieldDescription) -> str:
    parts = (field.description or f"`{field.name}`", "required" if field.required else "")
    return f"Set {'; '.join(filter(None, parts))}."


def _listed(components: Sequence[tuple[str, str]]) -> str:
    """Return components in a line, or in one each if that would be too long."""
    texts = [f"{kind} {name}" for kind, name in components]
    line = ", ".join(texts)
    between = f",\n{_INDENT * 2}"
    return line if len(line) < _LONGEST_LIST else between[1:] + between.join(texts)


def _method(signature: str, body: str, *, override: bool = False) -> Iterator[str]:
    if override:
        yield "@Override"
    yield f"public {signature} {{"
    yield f"{_INDENT}{body}"
    yield "}"


def _setter(kind: str, name: str) -> Iterator[str]:
    yield f"public Builder {name}({kind} {name}) {{"
    yield f"{_INDENT}this.{name} = {name};"
    yield f"{_INDENT}return this;"
    yield "}"


def _javadoc(*paragraphs: str) -> Iterator[str]:
    """Yield the lines of a comment that no text can end: of any character with a meaning there, its entity."""
    shown = [_markup(paragraph) for paragraph in paragraphs]
    if len(shown) == 1 and len(shown[0]) <= _COLUMNS:
        yield f"/** {shown[0]} */"
        return
    yield "/**"
    for number, paragraph in enumerate(shown):
        if number:
            yield " *"
        for line in wrap(("<p>" if number else "") + paragraph, _COLUMNS, break_long_words=False):
            yield f" * {line}"
    yield " */"


def _markup(paragraph: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in paragraph)
    escaped = html.escape(" ".join(printable.split()), quote=False)
    for character in "@*/\\":
        escaped = escaped.replace(character, f"&#{ord(character)};")
    return re.sub("`([^`]*)`", r"<code>\1</code>", escaped)


def _inner(lines: Iterator[str], level: int = 1) -> Iterator[str]:
    return (indent(line, _INDENT * level) for line in lines)


def _text(text: str) -> str:
    """Return a string literal: JSON's escapes are Java's."""
    return json.dumps(text, ensure_ascii=False)
