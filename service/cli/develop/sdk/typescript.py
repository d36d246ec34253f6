"""Typed events in TypeScript: one module with an interface and a class for each type."""

import json
import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from service.cli.develop.sdk.description import (
    DataFieldDescription,
    TypeDescription,
    audience_text,
    class_texts,
)

FILE = "types.ts"
_HEAD = "/** Events of the notification types. Written by `tocsin types generate typescript`: do not edit. */"
_IMPORTS = 'import { Event, type EventFields, type EventType } from "@tocsin/client";'
_TYPES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "datetime": "Date | string",
    "object": "Record<string, unknown>",
    "list": "unknown[]",
}
_RESERVED = frozenset(("Event", "EventFields", "EventType", "Date", "Record"))
_NEEDED = {
    "recipients": "readonly recipients: readonly string[];",
    "external_id": "readonly externalId: string;",
    "account": "readonly account: string;",
}
_OPTIONAL = {
    "recipients": "readonly recipients?: readonly string[] | undefined;",
    "external_id": "readonly projectId?: string | undefined;",
}
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_INDENT = "  "
_COLUMNS = 94


def generate(types: Sequence[TypeDescription]) -> dict[str, str]:
    """Return the module. Raise ValueError for types whose classes would have the same name."""
    classes = class_texts(types, _RESERVED, _data, _event)
    return {FILE: "\n\n".join((f"{_HEAD}\n{_IMPORTS}", *classes)) + "\n"}


def _data(type_: TypeDescription, name: str) -> Iterator[str]:
    yield from _comment("", f"Data of `{type_.name}`.")
    if not type_.fields:
        yield f"export interface {name}Data {{}}"
        return
    yield f"export interface {name}Data {{"
    for field in type_.fields:
        if field.description:
            yield from _comment(_INDENT, field.description)
        yield f"{_INDENT}{_member(field)};"
    yield "}"


def _event(type_: TypeDescription, name: str) -> Iterator[str]:
    audience = audience_text(type_).replace("`external_id`", "`externalId`")
    yield from _comment("", *dict.fromkeys((type_.title, type_.description)), audience)
    yield f"export class {name} extends Event<{name}Data> {{"
    yield f"{_INDENT}static override readonly declared: EventType = {{"
    yield from (_INDENT * 2 + line for line in _declaration(type_))
    yield f"{_INDENT}}};"
    needed = [_NEEDED[need] for need in type_.needs if not (need == "recipients" and type_.recipient_fields)]
    optional = [
        _OPTIONAL[need]
        for need in type_.needs
        if need in _OPTIONAL and (need != "recipients" or type_.recipient_fields)
    ]
    yield from (f"{_INDENT}declare {line}" for line in needed)
    yield ""
    attributes = " ".join((*needed, *optional)).removesuffix(";")
    added = f" & {{ {attributes} }}" if attributes else ""
    parameter = f"fields: EventFields<{name}Data>{added}"
    if len(parameter) <= _COLUMNS:
        yield f"{_INDENT}constructor({parameter}) {{"
    else:
        yield from (f"{_INDENT}constructor(", f"{_INDENT * 2}{parameter},", f"{_INDENT}) {{")
    yield f"{_INDENT * 2}super(fields);"
    yield f"{_INDENT}}}"
    yield "}"


def _declaration(type_: TypeDescription) -> Iterator[str]:
    yield f"name: {_text(type_.name)},"
    if type_.needs:
        yield f"needs: {_texts(type_.needs)},"
    if type_.recipient_fields:
        yield f"recipientFields: {_texts(type_.recipient_fields)},"
    if type_.fields:
        yield "fields: ["
        for field in type_.fields:
            required = "true" if field.required else "false"
            yield f"{_INDENT}{{ name: {_text(field.name)}, type: {_text(field.type)}, required: {required} }},"
        yield "],"
    if type_.supersede is not None:
        yield f"supersede: {_text(type_.supersede)},"


def _member(field: DataFieldDescription) -> str:
    name = field.name if _NAME.fullmatch(field.name) else _text(field.name)
    return f"{name}: {_TYPES[field.type]}" if field.required else f"{name}?: {_TYPES[field.type]} | null"


def _comment(indent: str, *paragraphs: str) -> Iterator[str]:
    """Yield the lines of a comment that no text can end."""
    lines: list[str] = []
    for paragraph in paragraphs:
        shown = "".join(character if character.isprintable() else " " for character in paragraph)
        text = " ".join(shown.replace("*/", "* /").split())
        lines += ["", *wrap(text, _COLUMNS, break_long_words=False, break_on_hyphens=False)]
    first, *rest = lines[1:] or [""]
    if not rest:
        yield f"{indent}/** {first} */"
        return
    yield f"{indent}/**"
    yield from (f"{indent} * {line}".rstrip() for line in (first, *rest))
    yield f"{indent} */"


def _text(text: str) -> str:
    """Return a string literal: JSON's are those of ECMAScript."""
    return json.dumps(text, ensure_ascii=False)


def _texts(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
