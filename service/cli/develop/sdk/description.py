"""What a client must know of a notification type to make and validate its events: the same for every language."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from service.model.catalogue import AudienceRule, FieldType, NotificationType

_ATTRIBUTES = {
    AudienceRule.users: "recipients",
    AudienceRule.group: "external_id",
    AudienceRule.account: "account",
}


@dataclass(frozen=True, slots=True)
class DataFieldDescription:
    """A documented field of the data."""

    name: str
    type: FieldType
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """A notification type.

    `needs`: the attributes that name its audience. `recipient_fields`: fields of the data that name recipients in place
    of the attribute. `roles`: whose holders are notified too. `supersede`: the template of its supersede key.
    """

    name: str
    title: str
    description: str
    channels: tuple[str, ...]
    needs: tuple[str, ...]
    recipient_fields: tuple[str, ...]
    roles: tuple[str, ...]
    fields: tuple[DataFieldDescription, ...]
    supersede: str | None


def describe(types: Iterable[NotificationType]) -> tuple[TypeDescription, ...]:
    """Return the descriptions of types, in their order."""
    return tuple(map(_describe, types))


def _describe(declared: NotificationType) -> TypeDescription:
    rules = declared.audience
    return TypeDescription(
        name=declared.name,
        title=declared.title,
        description=declared.description,
        channels=tuple(channel.value for channel in declared.channels),
        needs=tuple(dict.fromkeys(_ATTRIBUTES[rule.kind] for rule in rules if rule.kind in _ATTRIBUTES)),
        recipient_fields=tuple(rule.field for rule in rules if rule.field),
        roles=tuple(rule.role for rule in rules if rule.role),
        fields=tuple(
            DataFieldDescription(n, f.type, f.required, f.description) for n, f in declared.meta.items()
        ),
        supersede=declared.supersede,
    )


def class_texts(
    types: Sequence[TypeDescription],
    reserved: Collection[str],
    *parts: Callable[[TypeDescription, str], Iterable[str]],
) -> list[str]:
    """Return the text of each part of each type, whose lines a part yields for a type and its class's name.

    Raise ValueError as `class_names` does.
    """
    names = class_names(types, reserved)
    return ["\n".join(part(type_, names[type_.name])) for type_ in types for part in parts]


def class_names(types: Sequence[TypeDescription], reserved: Collection[str]) -> dict[str, str]:
    """Return the name of each type's class: `overbid_soon` is `OverbidSoon`, a reserved one has `Event` after it.

    Raise ValueError for two types whose names differ only in underscores.
    """
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for type_ in types:
        name = "".join(part[:1].upper() + part[1:] for part in type_.name.split("_"))
        name = f"{name}Event" if name in reserved or f"{name}Data" in reserved else name
        for used in (name, f"{name}Data"):
            if used in owners:
                raise ValueError(
                    f"{owners[used]} and {type_.name} would have the same class {used}: rename one"
                )
            owners[used] = type_.name
        names[type_.name] = name
    return names


def audience_text(type_: TypeDescription) -> str:
    """Return who is notified and how, as a sentence of the documentation of a class."""
    phrases = {
        "recipients": "`recipients`",
        "external_id": "the group `external_id`",
        "account": "the contacts of `account`",
    }
    parts = [phrases[name] for name in type_.needs]
    parts += [f"the recipient in `{field}` of the data" for field in type_.recipient_fields]
    parts += [f"every recipient with the role {role}" for role in type_.roles]
    return f"Notifies {', and '.join(parts)}, by {' and '.join(type_.channels)}."
