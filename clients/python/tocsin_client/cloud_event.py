"""Events as CloudEvents of the official SDK, and as the bytes that it writes."""

from typing import Literal

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http, kafka
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tocsin_client.errors import InvalidEvent, Reason
from tocsin_client.event import Event
from tocsin_client.validation import validate

Mode = Literal["structured", "binary"]
"""How a CloudEvent is carried: as one JSON document, or as headers and data."""

_JSON = JSONFormat()


def to_cloud_event(event: Event | BaseCloudEvent, index: int = 0) -> BaseCloudEvent:
    """Return a valid event as the official SDK's; a CloudEvent is returned as it is, for the service to decide.

    Raise InvalidEvent, with `index` as the event's place.
    """
    if not isinstance(event, Event):
        return event
    try:
        validate(event)
        fields = event.fields()
        data = fields.pop("data")
        return CloudEvent({**fields, "time": event.time}, data)
    except InvalidEvent as error:
        raise InvalidEvent(error.reason, error.detail, index) from None
    except CloudEventValidationError as error:
        raise InvalidEvent(Reason.invalid_attribute, str(error), index) from None


def read(structured: bytes) -> BaseCloudEvent:
    """Return the CloudEvent in structured JSON."""
    return _JSON.read(CloudEvent, structured)


def structured_bytes(event: BaseCloudEvent) -> bytes:
    """Return structured JSON."""
    return _JSON.write(event)


def kafka_message(event: BaseCloudEvent, mode: Mode) -> kafka.KafkaMessage:
    """Return key, headers and value of the event's record; the key is its `partitionkey`."""
    convert = kafka.to_binary if mode == "binary" else kafka.to_structured
    return convert(event, _JSON)


def http_message(event: BaseCloudEvent, mode: Mode) -> http.HTTPMessage:
    """Return headers and body of the event's request."""
    convert = http.to_binary if mode == "binary" else http.to_structured
    return convert(event, _JSON)
