"""An event built from options: a CloudEvent in structured JSON, validated by the code that ingests events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from service.model.catalogue import Catalogue
from service.model.event import Event, Withdrawal
from service.model.record import Message
from service.pipeline.resolve.ingest import parse

CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")


@dataclass(frozen=True, slots=True)
class EventDraft:
    """The fields that all events of one command share. `attributes`: those of CloudEvents and our extensions."""

    type: str
    source: str
    time: str
    data: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    def event_id(self, number: int, count: int) -> str:
        """Return the id of one of `count` events: from the option `--id`, or a new one at each call."""
        if not self.id:
            return str(uuid4())
        return self.id if count == 1 else f"{self.id}-{number}"

    def value(self, event_id: str) -> bytes:
        """Return the event as structured JSON."""
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": self.source,
                "type": self.type,
                "time": self.time,
                "datacontenttype": "application/json",
                **self.attributes,
                "data": self.data,
            }
        )


def draft_event(
    type_name: str,
    sample: Mapping[str, Any],
    data: Mapping[str, Any],
    options: Mapping[str, str | None],
    *,
    source: str,
    time: str,
    event_id: str = "",
) -> EventDraft:
    """Return a draft: the sample's fields, replaced by `data` and by the options that are not None.

    The names of extensions have no underscores (CloudEvents 1.0 section 3.1).
    """
    present = {name: value for name, value in options.items() if value is not None}
    fields = {**{name: value for name, value in sample.items() if name != "data"}, **present}
    attributes = {name.replace("_", ""): _text(value) for name, value in fields.items()}
    merged = {**sample.get("data", {}), **data}
    return EventDraft(type_name, source, time, merged, attributes, event_id)


def validate_event(
    draft: EventDraft, event_id: str, topic: str, catalogue: Catalogue, now_ms: int
) -> tuple[Event | Withdrawal, Message]:
    """Return the event as resolve would parse it, and its message. Raise InvalidEvent with the dead letter's reason.

    The key is the recipient, account, group or event id, the first that is present, so that events of one recipient,
    account or group keep their order.
    """
    value = draft.value(event_id)
    event = parse(value, (CONTENT_TYPE,), catalogue, now_ms)
    if isinstance(event, Withdrawal):
        return event, Message(topic, event.id.encode(), value, (CONTENT_TYPE,))
    key = (event.recipients or ("",))[0] or event.account or event.external_id or event.id
    return event, Message(topic, key.encode(), value, (CONTENT_TYPE,))


def _text(value: Any) -> str:
    """Return an extension's value as text (CloudEvents 1.0 section 3.1.1): a list becomes a JSON array in text."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def recipients_text(ids: Sequence[str]) -> str | None:
    """Return the `recipients` extension; None when there are no ids."""
    return orjson.dumps(list(ids)).decode() if ids else None
