"""Events as values: what all types have in common, ids, withdrawing and superseding."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4, uuid5

from tocsin_client.event_type import EventType

_NAMESPACE = UUID("5f0c8f9e-3a53-5c3e-9f0b-6a3d0c1e7b52")
_LONGEST_KEY = 1024
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact that recipients are notified of. The classes of types add their audience and the type of `data`.

    `source` and `id` identify it: Tocsin delivers the same pair once. `time`: when it happened. `actor`: the recipient
    who caused it, and is not notified. `expires`: a delivery that is not made by then is not made. `deliver_at`: it is
    not delivered before. `supersede_key` replaces that of the type. `partition_key`: of events with the same one the
    order is kept; the default is the first recipient, else the account, the group or the id.
    """

    declared: ClassVar[EventType]
    type: ClassVar[str]

    source: str
    data: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    actor: str | None = None
    subject: str | None = None
    expires: datetime | None = None
    deliver_at: datetime | None = None
    supersede_key: str | None = None
    partition_key: str | None = None
    traceparent: str | None = None
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        """Name the type of the class."""
        if declared := cls.__dict__.get("declared"):
            cls.type = declared.name

    def fields(self) -> dict[str, Any]:
        """Return the event in structured form: attributes by their names on the wire, and `data`."""
        fields = {
            **self.extensions,
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": _written(self.time),
            "datacontenttype": _JSON,
            **self._audience(),
            "actor": self.actor,
            "subject": self.subject,
            "expires": _written(self.expires),
            "deliverat": _written(self.deliver_at),
            "supersedekey": self.supersede_key,
            "partitionkey": self.key(),
            "traceparent": self.traceparent,
            "data": {name: _written(value) for name, value in self.data.items()},
        }
        return {name: value for name, value in fields.items() if value is not None}

    def key(self) -> str:
        """Return the key of the event's Kafka record."""
        if self.partition_key:
            return self.partition_key
        named = [*(getattr(self, "recipients", None) or ())]
        named += [self.data.get(name) for name in self.declared.recipient_fields]
        named += [getattr(self, name, None) for name in ("account", "external_id")]
        return next((name for name in named if isinstance(name, str) and name), self.id)

    def _audience(self) -> dict[str, Any]:
        """Return the attributes that name the audience. In CloudEvents a list is JSON in text."""
        recipients: Sequence[str] | None = getattr(self, "recipients", None)
        return {
            "recipients": None if recipients is None else json.dumps(list(recipients)),
            "externalid": getattr(self, "external_id", None),
            "projectid": getattr(self, "project_id", None) or None,
            "account": getattr(self, "account", None),
        }


@dataclass(frozen=True, kw_only=True)
class Withdraw(Event):
    """An event that withdraws others: make it with `withdraw`, `withdraw_id` or `withdraw_key`.

    `target`: the type of the events, where they are withdrawn by their supersede key.
    """

    declared: ClassVar[EventType] = EventType("withdraw")
    target: EventType | None = None


AnyEvent = TypeVar("AnyEvent", bound=Event)


def event_id(source: str, *parts: str | int) -> str:
    """Return the id of a fact: the same source and parts always give the same UUID (version 5, RFC 9562).

    A fact that is published again by another attempt of a job or request has no second effect then.
    """
    if not parts:
        raise ValueError("an id needs parts that tell the fact from others of the source")
    texts = (str(part).replace("%", "%25").replace("|", "%7C") for part in (source, *parts))
    return str(uuid5(_NAMESPACE, "|".join(texts)))


def withdraw(event: Event) -> Withdraw:
    """Return the event that withdraws an event: mail that was not sent, and its inbox entries."""
    return withdraw_id(event.source, event.id)


def withdraw_id(source: str, id: str) -> Withdraw:
    """Return the event that withdraws the event with this source and id. It has the same id each time."""
    return Withdraw(source=source, id=event_id(source, "withdraw", id), data={"id": id})


def withdraw_key(
    event_class: type[Event], source: str, *, key: str | None = None, data: Mapping[str, Any] | None = None
) -> Withdraw:
    """Return the event that withdraws all events of a type with a supersede key up to now.

    The key is `key`, or that of an event with this `data`: exactly one of them is needed.
    """
    target = {name: value for name, value in (("key", key), ("data", data)) if value is not None}
    return Withdraw(source=source, data={"type": event_class.type, **target}, target=event_class.declared)


def supersede(old: Event, new: AnyEvent) -> AnyEvent:
    """Return `new` with the supersede key of `old`, so that mail of `old` that was not sent is not sent.

    Raise ValueError for another type, a `new` that is not newer, and an `old` without a key: withdraw that one.
    """
    if old.type != new.type:
        raise ValueError(f"{new.type} cannot supersede {old.type}")
    if new.time <= old.time:
        raise ValueError(
            "of events with one supersede key only the newest is mailed: `new` must have a later time"
        )
    key = old.supersede_key or old.declared.supersede_key(old.data)
    if not key or len(key) > _LONGEST_KEY:
        raise ValueError(
            f"the event has no supersede key of 1 to {_LONGEST_KEY} characters: withdraw it instead"
        )
    return replace(new, supersede_key=key)


def _written(value: Any) -> Any:
    """Return a time in text (RFC 3339); any other value as it is."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
