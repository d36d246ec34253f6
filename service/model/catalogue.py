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
from service.model.holds.calendar import WEEK, Frequency, LocalTime, QuietHours, Weekday
from service.model.urls import LINK_PATTERN, linked_url
from service.model.validators import MAX_DURATION_S, check_time

_LONGEST_KEY = 1024
"""Characters; a supersede key is in each delivery and in Redis."""
_KEY_HASH_BYTES = 16
MAX_DELIVER_AHEAD_S = 366 * 86_400
"""How long a delivery can wait for its time."""
_LONGEST_DIGEST_WAIT_S = 9 * 86_400
"""A week, and two days for quiet hours, limits and further attempts."""
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


class DigestRule(_CatalogueModel):
    """How mail of a type is put together: types of one group share a digest.

    `group`: empty for a group of this type alone. `key`: a template of data fields, as of `supersede`; items with the
    same key become one line. `frequency`: the one of recipients who have chosen none. `wait_s`: with `instant`, how
    long mail waits for more after the first item, in seconds. `at`, `day`: local time of daily and weekly digests, and
    the day of weekly ones. `most`: lines of a digest; the rest is counted.
    """

    group: str = Field(default="", pattern=r"^(?:[a-z][a-z0-9_]{0,63})?$")
    key: str = Field(default="", max_length=500)
    frequency: Frequency = Frequency.instant
    wait_s: int = Field(default=0, ge=0, le=86_400, alias="wait")
    at: LocalTime = "08:00"
    day: Weekday = Weekday.mon
    most: int = Field(default=20, ge=1, le=100)


class MailLimitRule(_CatalogueModel):
    """The most mails of a type that a recipient gets an hour and a day; `over`: what happens to more."""

    hour: int | None = Field(default=None, gt=0, le=100_000)
    day: int | None = Field(default=None, gt=0, le=100_000)
    over: Literal["hold", "skip"] = "hold"


class Schedule(_CatalogueModel):
    """When events of a type are delivered: `delay_s` after their receipt, then at the local time `at` on these days."""

    delay_s: int = Field(default=0, ge=0, le=MAX_DELIVER_AHEAD_S, alias="delay")
    at: LocalTime | None = None
    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = WEEK


class Reminders(_CatalogueModel):
    """How often a recipient is reminded while the notification is unread: every `every_s` seconds, `most` times."""

    every_s: int = Field(ge=60, le=MAX_DELIVER_AHEAD_S, alias="every")
    most: int = Field(default=1, ge=1, le=10)


class NotificationType(_CatalogueModel):
    """A declared kind of event. `title` is in the default locale, `titles` holds those of other locales.

    `link` is the path of the page that it is about, below the product's site. `security`: it concerns access to an
    account. `recommend_mandatory`: a recipient who misses it may lose access, money or data. `ttl_s`, `retention_s` and
    `inbox_ttl_s` are in seconds; the catalogue's files name them without the unit.

    `quiet_hours`: those of recipients whose rows and account have none. `mail_if_unread_s`: mail follows only if the
    notification is unread in the inbox so many seconds after its delivery.
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
    digest: DigestRule | None = None
    limit: MailLimitRule | None = None
    quiet_hours: QuietHours | None = None
    schedule: Schedule | None = None
    mail_if_unread_s: int = Field(default=0, ge=0, le=MAX_DELIVER_AHEAD_S, alias="mail_if_unread")
    reminders: Reminders | None = None
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
    def is_sent_at_once(self) -> bool:
        """Return whether its mail is never held for recipients without preferences and quiet hours of their own."""
        rule = self.digest
        together = rule is not None and (rule.wait_s or rule.frequency is not Frequency.instant)
        return not (together or self.quiet_hours or self.mail_if_unread_s)

    @property
    def kept_s(self) -> int:
        """Return how long the ledger keeps an event of this type, in seconds: longer than a digest may wait."""
        return max(self.retention_s, _LONGEST_DIGEST_WAIT_S) if self.digest else self.retention_s

    @property
    def digest_group(self) -> str:
        """Return the group whose digests mail of this type is in; empty where it is always sent alone."""
        return (self.digest.group or self.name) if self.digest else ""

    def check_frequency(self, channel: str, frequency: Frequency | None) -> None:
        """Raise ValueError where what comes by a channel cannot be put into the digests of this frequency."""
        at_once = frequency is None or frequency is Frequency.instant
        if not at_once and (self.digest is None or not CHANNELS[Channel(channel)].digested):
            raise ValueError("This cannot be put into a digest.")

    def digest_key(self, data: Mapping[str, Any]) -> str:
        """Return what items have in common that become one line of a digest; empty for a line of its own."""
        return _filled(self.digest.key, data) if self.digest and self.digest.key else ""

    @property
    def skips_read(self) -> bool:
        """Return whether no mail is sent once the notification has been read in the inbox."""
        return self.skip_email_if_read or bool(self.mail_if_unread_s) or self.reminders is not None

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
            key = _filled(self.supersede, data)
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


DIGEST = "digest"
"""The reserved type of digests: mail that several deliveries of one recipient are put together in."""

DIGEST_TYPE = NotificationType(
    name=DIGEST,
    domain=DIGEST,
    title="Digest",
    description="Notifications that are sent together",
    audience=(Audience(kind=AudienceRule.users),),
    channels=(Channel.email,),
    retention=_LONGEST_DIGEST_WAIT_S,
)


@lru_cache(maxsize=256)
def _fields_of(template: str) -> tuple[str, ...]:
    """Return the names of the data fields in a template of a key."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def _filled(template: str, data: Mapping[str, Any]) -> str:
    """Return the text of a template of data fields; of a long one it is a hash."""
    text = template.format_map({name: str(data.get(name, "")) for name in _fields_of(template)})
    return (
        text if len(text) <= _LONGEST_KEY else blake2b(text.encode(), digest_size=_KEY_HASH_BYTES).hexdigest()
    )


class Catalogue:
    """The declared types by name. A new type needs a table in a TOML file and templates, no code."""

    def __init__(self, types: Mapping[str, NotificationType]) -> None:
        self._types = dict(types)
        self._of_deliveries = {**types, DIGEST: DIGEST_TYPE}
        self._groups: dict[str, tuple[NotificationType, ...]] = {}
        for declared in self._types.values():
            if group := declared.digest_group:
                self._groups[group] = (*self._groups.get(group, ()), declared)
        models = {name: declared.meta_model() for name, declared in self._types.items()}
        self._check_data = {
            name: model.__pydantic_validator__.validate_python for name, model in models.items()
        }

    def get(self, name: str) -> NotificationType | None:
        """Return the type of a name, with or without a reverse-DNS prefix (`com.example.overbid`), or None."""
        return self._types.get(name) or self._types.get(name.rpartition(".")[2])

    def __getitem__(self, name: str) -> NotificationType:
        """Return the type of a name, that of digests included, which no event has. Raise KeyError."""
        return self._of_deliveries[name]

    def of_delivery(self, name: str) -> NotificationType | None:
        """Return the type of a delivery by its name, that of digests included; None for one that is not declared."""
        return self._of_deliveries.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[NotificationType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def digest_groups(self) -> Mapping[str, tuple[NotificationType, ...]]:
        """Return the types of each group that shares digests."""
        return self._groups

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
