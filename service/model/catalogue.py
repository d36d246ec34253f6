"""The catalogue: every notification type, with all that is known about it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from service.model.channels import CHANNELS, Channel


class Lane(StrEnum):
    """A priority class; each lane of mail is a topic of its own, so that a burst in one delays no other."""

    high = "high"
    normal = "normal"
    bulk = "bulk"


class AudienceRule(StrEnum):
    """The rules by which a type finds its recipients."""

    group = "group"
    account = "account"
    users = "users"
    role = "role"


class _CatalogueRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _moment(value: str) -> str:
    """A point in time as JSON has it, still as text. Raises ValueError unless it has a zone (RFC 3339)."""
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError("a time needs its zone")
    return value


FieldType = Literal["string", "integer", "number", "boolean", "datetime", "object", "list"]
_PYTHON: Mapping[str, Any] = {
    "string": Annotated[str, Field(max_length=10_000)],
    "integer": int,
    "number": float,
    "boolean": bool,
    "datetime": Annotated[str, Field(max_length=40), AfterValidator(_moment)],
    "object": dict[str, Any],
    "list": list[Any],
}


class MetaField(_CatalogueRow):
    """One documented field of an event's `data`."""

    type: FieldType = "string"
    required: bool = True
    description: str = ""


class Audience(_CatalogueRow):
    """One rule. `field` names the data field that holds a user id; `role` the role whose holders hear."""

    kind: AudienceRule
    role: str | None = None
    field: str | None = None


class NotificationType(_CatalogueRow):
    """A row of the catalogue. Times are in seconds. `title` is in the default locale, `titles` in others by locale."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    domain: str
    number: int | None = None
    title: str
    titles: Mapping[str, str] = Field(default_factory=dict)
    description: str
    meta: Mapping[str, MetaField] = Field(default_factory=dict)
    audience: tuple[Audience, ...] = Field(min_length=1)
    channels: tuple[Channel, ...] = Field(min_length=1)
    lane: Lane = Lane.normal
    ttl: int = Field(default=86_400, gt=0)
    retention: int = Field(default=604_800, gt=0)
    inbox_ttl: int = Field(default=7_776_000, gt=0)
    supersede: str | None = None
    mandatory: bool = False
    notify_actor: bool = False
    actor_field: str | None = None
    skip_email_if_read: bool = False
    on_ambiguous: Literal["resend", "hold"] = "resend"
    sample: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the notification types document: `user` for named users, else the role itself."""
        found = ("user" if a.kind is AudienceRule.users else a.role for a in self.audience)
        return tuple(role for role in found if role)

    @property
    def suppressible(self) -> bool:
        """Whether a suppression or an unsubscribe can stop a channel of this type."""
        return any(CHANNELS[channel].suppressible for channel in self.channels)

    def title_in(self, locale: str) -> str:
        """The title for people who read this language, as `de` or `de-AT`; else the default one."""
        language = locale.replace("_", "-").partition("-")[0].lower()
        return self.titles.get(locale) or self.titles.get(language) or self.title

    def needs(self, kind: AudienceRule) -> bool:
        """Whether this type finds recipients by such a rule."""
        return any(a.kind is kind for a in self.audience)

    def supersede_key(self, data: Mapping[str, Any], given: str | None = None) -> str:
        """`TYPE|KEY`: events that share it replace each other. Empty for one that nothing replaces."""
        if given is None:
            if self.supersede is None:
                return ""
            known = dict.fromkeys(self.meta, "") | {name: str(value) for name, value in data.items()}
            given = self.supersede.format_map(known)
        return f"{self.name}|{given}"

    def meta_model(self) -> type[BaseModel]:
        """A pydantic model of `data`: the documented fields checked, unknown ones kept."""
        fields: dict[str, Any] = {
            name: (_PYTHON[f.type], ...) if f.required else (_PYTHON[f.type] | None, None)
            for name, f in self.meta.items()
        }
        config = ConfigDict(extra="allow", strict=True, frozen=True)
        return create_model(f"Meta_{self.name}", __config__=config, **fields)


class Catalogue:
    """The declared types by name. Adding a type is one row and its templates, no code."""

    def __init__(self, types: Mapping[str, NotificationType]) -> None:
        self._types = dict(types)
        models = {name: row.meta_model() for name, row in self._types.items()}
        self._meta = {name: model.__pydantic_validator__.validate_python for name, model in models.items()}

    def get(self, name: str) -> NotificationType | None:
        """The type of that name, with or without a reverse-DNS prefix (`com.example.overbid`)."""
        return self._types.get(name) or self._types.get(name.rpartition(".")[2])

    def __getitem__(self, name: str) -> NotificationType:
        return self._types[name]

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[NotificationType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def domain(self, domain: str) -> tuple[NotificationType, ...]:
        """The types of one domain, in the order of their document."""
        return tuple(row for row in self if row.domain == domain)

    def meta_errors(self, row: NotificationType, data: Mapping[str, Any]) -> str | None:
        """What is wrong with an event's data, in one line that names the fields; None when nothing is."""
        try:
            self._meta[row.name](data)
        except ValidationError as error:
            return "; ".join(
                f"{'.'.join(str(part) for part in e['loc']) or 'data'}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)[:5]
            )
        return None
