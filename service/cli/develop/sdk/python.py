"""Typed events in Python: one module with a class and a TypedDict for each type."""

import json
import keyword
import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from service.cli.develop.sdk.description import (
    DataFieldDescription,
    TypeDescription,
    audience_text,
    class_texts,
)

FILE = "types.py"
_DOCSTRING = '"""Events of the notification types. Written by `tocsin types generate python`: do not edit."""'
_IMPORTS = {
    "collections.abc": ("Sequence",),
    "dataclasses": ("dataclass", "field"),
    "datetime": ("datetime",),
    "typing": ("Any", "ClassVar", "NotRequired", "TypedDict"),
}
_OWN_IMPORTS = {"tocsin_client.event": ("Event",), "tocsin_client.event_type": ("DataField", "EventType")}
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "datetime": "datetime | str",
    "object": "dict[str, Any]",
    "list": "list[Any]",
}
_IMPORTED = frozenset(name for part in (_IMPORTS, _OWN_IMPORTS) for names in part.values() for name in names)
_RESERVED = frozenset((*_IMPORTED, *keyword.kwlist))
_NOT_PLAIN = frozenset((*_RESERVED, "str", "int", "float", "bool", "dict", "list"))
_ATTRIBUTES = {
    "recipients": ("recipients: Sequence[str]",),
    "external_id": ("external_id: str", 'project_id: str = ""'),
    "account": ("account: str",),
}
_INDENT = "    "
_COLUMNS = 96


def generate(types: Sequence[TypeDescription]) -> dict[str, str]:
    """Return the module. Raise ValueError for types whose classes would have the same name."""
    classes = "\n\n\n".join(class_texts(types, _RESERVED, _data, _event))
    imports = (_import_lines(modules, classes) for modules in (_IMPORTS, _OWN_IMPORTS))
    head = "\n\n".join((_DOCSTRING, *filter(None, imports)))
    return {FILE: f"{head}\n\n\n{classes}\n"}


def _import_lines(modules: dict[str, tuple[str, ...]], source: str) -> str:
    """Return the import statements of the names that a source uses."""
    used = {module: [n for n in names if re.search(rf"\b{n}\b", source)] for module, names in modules.items()}
    return "\n".join(f"from {module} import {', '.join(names)}" for module, names in used.items() if names)


def _data(type_: TypeDescription, name: str) -> Iterator[str]:
    """Yield the lines of the TypedDict; a field whose name no attribute can have needs its functional form."""
    if all(map(_is_plain, type_.fields)):
        yield f"class {name}Data(TypedDict):"
        yield from _docstring(f"Data of `{type_.name}`.")
        for field in type_.fields:
            yield ""
            yield f"{_INDENT}{field.name}: {_annotation(field)}"
            if field.description:
                yield from _docstring(field.description)
        return
    yield f"{name}Data = TypedDict("
    yield f'{_INDENT}"{name}Data",'
    yield f"{_INDENT}{{"
    for field in type_.fields:
        yield f"{_INDENT * 2}{_text(field.name)}: {_annotation(field)},"
    yield f"{_INDENT}}},"
    yield ")"


def _event(type_: TypeDescription, name: str) -> Iterator[str]:
    yield "@dataclass(frozen=True, kw_only=True)"
    yield f"class {name}(Event):"
    yield from _docstring(*dict.fromkeys((type_.title, type_.description)), audience_text(type_))
    yield ""
    yield f"{_INDENT}declared: ClassVar[EventType] = EventType("
    yield from (_INDENT * 2 + line for line in _declaration(type_))
    yield f"{_INDENT})"
    for need in type_.needs:
        optional = need == "recipients" and type_.recipient_fields
        yield from (f"{_INDENT}{line}{' | None = None' if optional else ''}" for line in _ATTRIBUTES[need])
    default = "" if any(field.required for field in type_.fields) else f" = field(default_factory={name}Data)"
    yield f"{_INDENT}data: {name}Data{default}"


def _declaration(type_: TypeDescription) -> Iterator[str]:
    yield f"name={_text(type_.name)},"
    if type_.needs:
        yield f"needs={_texts(type_.needs)},"
    if type_.recipient_fields:
        yield f"recipient_fields={_texts(type_.recipient_fields)},"
    fields = [f"DataField({_text(f.name)}, {_text(f.type)}, required={f.required})," for f in type_.fields]
    if len(fields) == 1:
        yield f"fields=({fields[0]}),"
    elif fields:
        yield from ("fields=(", *(_INDENT + field for field in fields), "),")
    if type_.supersede is not None:
        yield f"supersede={_text(type_.supersede)},"


def _is_plain(field: DataFieldDescription) -> bool:
    name = field.name
    return name.isidentifier() and name.isascii() and name not in _NOT_PLAIN and not name.startswith("__")


def _annotation(field: DataFieldDescription) -> str:
    kind = _TYPES[field.type]
    return kind if field.required else f"NotRequired[{kind} | None]"


def _docstring(*paragraphs: str) -> Iterator[str]:
    """Yield the lines of a docstring that no quote, backslash or line separator of the text can end."""
    lines: list[str] = []
    for paragraph in paragraphs:
        shown = "".join(character if character.isprintable() else " " for character in paragraph)
        escaped = " ".join(shown.replace("\\", "\\\\").replace('"', '\\"').split())
        lines += ["", *wrap(escaped, _COLUMNS, break_long_words=False, break_on_hyphens=False)]
    first, *rest = lines[1:] or [""]
    if not rest:
        yield f'{_INDENT}"""{first}"""'
        return
    yield f'{_INDENT}"""{first}'
    yield from (line and _INDENT + line for line in rest)
    yield f'{_INDENT}"""'


def _text(text: str) -> str:
    """Return a string literal: JSON's escapes are Python's, as long as no surrogate pairs are needed."""
    return json.dumps(text, ensure_ascii=False)


def _texts(texts: Sequence[str]) -> str:
    return f"({', '.join(map(_text, texts))}{',' if len(texts) == 1 else ''})"
