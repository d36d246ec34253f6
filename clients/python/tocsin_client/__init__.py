"""Publish events to Tocsin: typed, validated before they are sent, over Kafka or HTTP.

The publishers are in `tocsin_client.kafka` and `tocsin_client.http`, the outbox in `tocsin_client.outbox`, the shipped
types in `tocsin_client.types`, the test double in `tocsin_client.testing`.
"""

from tocsin_client.cloud_event import to_cloud_event
from tocsin_client.errors import (
    AccessDenied,
    InvalidEvent,
    PublishError,
    Reason,
    RequestRefused,
    Unavailable,
)
from tocsin_client.event import (
    Event,
    Withdraw,
    event_id,
    supersede,
    withdraw,
    withdraw_id,
    withdraw_key,
)
from tocsin_client.publisher import Publisher
from tocsin_client.validation import validate

__all__ = [
    "AccessDenied",
    "Event",
    "InvalidEvent",
    "PublishError",
    "Publisher",
    "Reason",
    "RequestRefused",
    "Unavailable",
    "Withdraw",
    "event_id",
    "supersede",
    "to_cloud_event",
    "validate",
    "withdraw",
    "withdraw_id",
    "withdraw_key",
]
