"""A delivery of a type's sample event, for the start-up check and for previews."""

from service.model.catalogue import AudienceRule, NotificationType
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key

SAMPLE_MS = 1_790_000_000_000  # 21 September 2026: fixed, so that screenshots of samples can be compared


def sample_delivery(
    notification_type: NotificationType, locale: str, channel: Channel = Channel.email
) -> Delivery:
    """Return a delivery of the sample event to Alice, the same at every call."""
    event = event_key("/tocsin/samples", notification_type.name)
    audience = notification_type.audience[0]
    return Delivery(
        id=delivery_id(event, "alice", channel),
        event=event,
        event_id=notification_type.name,
        source="/tocsin/samples",
        type=notification_type.name,
        channel=channel,
        recipient="alice",
        rule=audience.kind,
        matched=audience.role or "" if audience.kind is AudienceRule.role else "",
        created_ms=SAMPLE_MS,
        received_ms=SAMPLE_MS,
        deadline_ms=SAMPLE_MS + notification_type.ttl_s * 1000,
        address="alice@example.com",
        name="Alice Example",
        locale=locale,
        timezone="Europe/Berlin",
        document=json_document(notification_type.sample.get("data", {})),
        lane=notification_type.lane,
    )
