"""An event put together from options: a CloudEvent in structured JSON, checked by the code that ingests it."""

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
class Draft:
    """What the events of one command have in common. `attributes` are those of CloudEvents and our extensions."""

    type: str
    source: str
    time: str
    data: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    def event_id(self, number: int, count: int) -> str:
        """The id of one of `count` events: as asked for, else new every time."""
        if not self.id:
            return str(uuid4())
        return self.id if count == 1 else f"{self.id}-{number}"

    def value(self, event_id: str) -> bytes:
        """The event as structured JSON."""
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


def draft_of(
    type_name: str,
    sample: Mapping[str, Any],
    data: Mapping[str, Any],
    audience: Mapping[str, str | None],
    *,
    source: str,
    time: str,
    event_id: str = "",
) -> Draft:
    """A draft: the sample's fields, over them what was given; `audience` holds only what an option may hold.

    The names of extensions have no underscores, as CloudEvents 1.0 section 3.1 asks.
    """
    given = {**{name: value for name, value in sample.items() if name != "data"}, **_present(audience)}
    attributes = {name.replace("_", ""): _text(value) for name, value in given.items()}
    merged = {**sample.get("data", {}), **data}
    return Draft(type_name, source, time, merged, attributes, event_id)


def checked(
    draft: Draft, event_id: str, topic: str, catalogue: Catalogue, now_ms: int
) -> tuple[Event | Withdrawal, Message]:
    """The event as it will be understood, and its record. Raises InvalidEvent with the dead letter's reason.

    The key is whom the event is about, so that what concerns one recipient, group or account keeps its order.
    """
    value = draft.value(event_id)
    event = parse(value, (CONTENT_TYPE,), catalogue, now_ms)
    if isinstance(event, Withdrawal):
        return event, Message(topic, event.id.encode(), value, (CONTENT_TYPE,))
    about = (event.recipients or ("",))[0] or event.account or event.external_id or event.id
    return event, Message(topic, about.encode(), value, (CONTENT_TYPE,))


def _present(given: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in given.items() if value is not None}


def _text(value: Any) -> str:
    """Extensions are text (CloudEvents 1.0 section 3.1.1): several recipients are a JSON array in text."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def recipients_text(names: Sequence[str]) -> str | None:
    """The `recipients` extension; None when none are named."""
    return orjson.dumps(list(names)).decode() if names else None
