"""The catalogue: every notification type, with everything known about it."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from service.model.channels import CHANNELS, Channel
from service.model.urls import LINK_PATTERN, linked_url
from service.model.validators import MAX_DURATION_S, check_time

_LONGEST_KEY = 1024
"""Characters; a supersede key is in each delivery and in Redis."""
_KEY_HASH_BYTES = 16
_PERSON_ID = re.compile(
    r"(?:\w+_)?(?:account|actor|author|buyer|contact|customer|member|owner|participant|person|receiver|recipient|seller"
    r"|sender|user)_ids?"
).fullmatch


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


class _CatalogueModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


FieldType = Literal["string", "integer", "number", "boolean", "datetime", "object", "list"]
_PYTHON_TYPES: Mapping[str, Any] = {
    "string": Annotated[str, Field(max_length=10_000)],
    "integer": int,
    "number": float,
    "boolean": bool,
    "datetime": Annotated[str, Field(max_length=40), AfterValidator(check_time)],
    "object": dict[str, Any],
    "list": list[Any],
}


class MetaField(_CatalogueModel):
    """A documented field of an event's `data`.

    `shown`: whether texts may show it to people; unless set, all but the ids of persons (`sender_id`, `account_id`).
    """

    type: FieldType = "string"
    required: bool = True
    shown: bool | None = None
    description: str = ""


class Audience(_CatalogueModel):
    """A rule of a type's audience. `field`: the data field with a user id; `role`: the role whose holders are meant."""

    kind: AudienceRule
    role: str | None = None
    field: str | None = None


class NotificationType(_CatalogueModel):
    """A declared kind of event. `title` is in the default locale, `titles` holds those of other locales.

    `link` is the path of the page that it is about, below the product's site. `security`: it concerns access to an
    account. `recommend_mandatory`: a recipient who misses it may lose access, money or data. `ttl_s`, `retention_s` and
    `inbox_ttl_s` are in seconds; the catalogue's files name them without the unit.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    domain: str
    number: int | None = None
    title: str
    titles: Mapping[str, str] = Field(default_factory=dict)
    description: str
    meta: Mapping[str, MetaField] = Field(default_factory=dict)
    audience: tuple[Audience, ...] = Field(min_length=1)
    link: str | None = Field(default=None, max_length=500, pattern=LINK_PATTERN)
    channels: tuple[Channel, ...] = Field(min_length=1)
    lane: Lane = Lane.normal
    ttl_s: int = Field(default=86_400, gt=0, le=MAX_DURATION_S, alias="ttl")
    retention_s: int = Field(default=604_800, gt=0, le=MAX_DURATION_S, alias="retention")
    inbox_ttl_s: int = Field(default=7_776_000, gt=0, le=MAX_DURATION_S, alias="inbox_ttl")
    supersede: str | None = None
    mandatory: bool = False
    recommend_mandatory: bool = False
    security: bool = False
    notify_actor: bool = False
    actor_field: str | None = None
    skip_email_if_read: bool = False
    on_ambiguous: Literal["resend", "hold"] = "resend"
    sample: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the roles of the notification types document: `user` for named users, else the role itself."""
        roles = ("user" if rule.kind is AudienceRule.users else rule.role for rule in self.audience)
        return tuple(role for role in roles if role)

    def shows(self, field: str) -> bool:
        """Return whether texts may show a declared field of the data to people."""
        if (shown := self.meta[field].shown) is not None:
            return shown
        persons = {self.actor_field, *(rule.field for rule in self.audience)}
        return field not in persons and not _PERSON_ID(field)

    @property
    def unsubscribable(self) -> bool:
        """Return whether its mail has an unsubscribe link: not if it is mandatory or concerns access to an account."""
        return not (self.mandatory or self.security)

    @property
    def suppressible(self) -> bool:
        """Return whether a suppression or an unsubscribe can block a channel of this type."""
        return any(CHANNELS[channel].suppressible for channel in self.channels)

    def title_in(self, locale: str) -> str:
        """Return the title in the language of a locale such as `de` or `de-AT`; else the default title."""
        language = locale.replace("_", "-").partition("-")[0].lower()
        return self.titles.get(locale) or self.titles.get(language) or self.title

    def url(self, site: str, data: Mapping[str, Any]) -> str | None:
        """Return the URL of the page that an event with this data is about, below `site`; None without a link."""
        return linked_url(site, self.link, data) if self.link else None

    def needs(self, kind: AudienceRule) -> bool:
        """Return whether this type finds recipients by a rule of this kind."""
        return any(rule.kind is kind for rule in self.audience)

    def supersede_key(self, data: Mapping[str, Any], key: str | None = None) -> str:
        """Return `TYPE|KEY`, which events that replace each other share; empty for an event that none replaces.

        `key` overrides the type's own, which is made of `data`; of a long one it is a hash.
        """
        if key is None:
            if self.supersede is None:
                return ""
            key = self.supersede.format_map(
                {name: str(data.get(name, "")) for name in _fields_of(self.supersede)}
            )
            if len(key) > _LONGEST_KEY:
                key = blake2b(key.encode(), digest_size=_KEY_HASH_BYTES).hexdigest()
        return f"{self.name}|{key}"

    def meta_model(self) -> type[BaseModel]:
        """Return a pydantic model of `data`: it checks the documented fields and keeps unknown ones."""
        fields: dict[str, Any] = {
            name: (_PYTHON_TYPES[field.type], ...)
            if field.required
            else (_PYTHON_TYPES[field.type] | None, None)
            for name, field in self.meta.items()
        }
        config = ConfigDict(extra="allow", strict=True, frozen=True)
        return create_model(f"Meta_{self.name}", __config__=config, **fields)


@lru_cache(maxsize=256)
def _fields_of(template: str) -> tuple[str, ...]:
    """Return the names of the data fields in a template of a supersede key."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name is not None)


class Catalogue:
    """The declared types by name. A new type needs a table in a TOML file and templates, no code."""

    def __init__(self, types: Mapping[str, NotificationType]) -> None:
        self._types = dict(types)
        models = {name: declared.meta_model() for name, declared in self._types.items()}
        self._check_data = {
            name: model.__pydantic_validator__.validate_python for name, model in models.items()
        }

    def get(self, name: str) -> NotificationType | None:
        """Return the type of a name, with or without a reverse-DNS prefix (`com.example.overbid`), or None."""
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
        """Return the types of a domain, in the order of their document."""
        return tuple(declared for declared in self if declared.domain == domain)

    def meta_errors(self, notification_type: NotificationType, data: Mapping[str, Any]) -> str | None:
        """Return the errors in an event's data, in one line that names the fields; None when there are none."""
        try:
            self._check_data[notification_type.name](data)
        except ValidationError as error:
            return "; ".join(
                f"{'.'.join(str(part) for part in e['loc']) or 'data'}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)[:5]
            )
        return None
