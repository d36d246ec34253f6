"""A delivery of a type's sample event, for the start-up check and for looking at."""

from service.model.catalogue import AudienceRule, NotificationType
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key

SAMPLE_MS = 1_790_000_000_000  # 21 September 2026, so that pictures of samples compare


def sample_delivery(row: NotificationType, locale: str, channel: Channel = Channel.email) -> Delivery:
    """To Alice; the same every time."""
    event = event_key("/tocsin/samples", row.name)
    kind = row.audience[0].kind
    return Delivery(
        id=delivery_id(event, "alice", channel),
        event=event,
        event_id=row.name,
        source="/tocsin/samples",
        type=row.name,
        channel=channel,
        recipient="alice",
        rule=AudienceRule(kind),
        matched=row.audience[0].role or "" if kind is AudienceRule.role else "",
        created_ms=SAMPLE_MS,
        received_ms=SAMPLE_MS,
        deadline_ms=SAMPLE_MS + row.ttl * 1000,
        address="alice@example.com",
        name="Alice Example",
        locale=locale,
        timezone="Europe/Berlin",
        data=row.sample.get("data", {}),
        lane=row.lane,
    )
