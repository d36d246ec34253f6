"""Events in the forms of the specifications, taken by ingest as a record's value and headers."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from service.model.event import DEFAULT_BOUND, ClockBound, Event, InvalidEvent
from service.pipeline.resolve.ingest import parse
from tests.support.catalogues import small_catalogue

NOW_MS = 1_795_700_000_000
"""November 2026: when the events of these tests are received."""

STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
EVENT: Mapping[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/auctions",
    "type": "winner",
    "recipients": ["alice"],
    "data": {"lot_id": "7"},
}
ATTRIBUTES = {
    "ce_specversion": "1.0",
    "ce_id": "1",
    "ce_source": "/auctions",
    "ce_type": "winner",
    "ce_recipients": "alice",
}
BINARY = {"content-type": "application/json", **ATTRIBUTES}
DATA = {"lot_id": "7"}

_CATALOGUE = small_catalogue()


def take(
    value: Any, headers: Mapping[str, str | bytes | None] = STRUCTURED, bound: ClockBound = DEFAULT_BOUND
) -> Event:
    """Return the event that ingest reads from a value (JSON unless it is bytes) and headers; None is a null value."""
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    pairs = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers.items()]
    event = parse(raw, pairs, _CATALOGUE, NOW_MS, now_ms=NOW_MS, bound=bound)
    assert isinstance(event, Event)
    return event


def refusal(value: Any, headers: Mapping[str, str | bytes | None] = STRUCTURED) -> InvalidEvent:
    """Return the error with which ingest refuses an event."""
    with pytest.raises(InvalidEvent) as caught:
        take(value, headers)
    return caught.value


def reason(value: Any, headers: Mapping[str, str | bytes | None] = STRUCTURED) -> str:
    """Return the reason with which ingest refuses an event."""
    return refusal(value, headers).reason.value
