"""A delivery of a type's sample event, and a digest of several, for the start-up check and for previews."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from service.model.catalogue import AudienceRule, NotificationType
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.holds.digest import digest_of
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


def sample_items(types: Sequence[NotificationType], locale: str, count: int) -> Sequence[Delivery]:
    """Return `count` deliveries of the sample events of `types` in turn, one a minute, oldest first.

    The fields of a type's digest key differ in every second one; without a key its first text of the data.
    """
    samples = [(declared, sample_delivery(declared, locale)) for declared in types]
    items = []
    for number in range(count):
        declared, sample = samples[number % len(types)]
        event = event_key(sample.source, f"{sample.type} {number}")
        at_ms = SAMPLE_MS + number * 60_000
        items.append(
            sample.replace(
                id=delivery_id(event, sample.recipient, sample.channel),
                event=event,
                created_ms=at_ms,
                received_ms=at_ms,
                document=json_document(_other_key(declared, sample.data, number // len(types) // 2)),
            )
        )
    return items


def _other_key(declared: NotificationType, data: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """Return data with other texts and whole numbers in these fields; at 0 the same."""
    values = dict(data)
    key = Formatter().parse(declared.digest.key if declared.digest else "")
    texts = [name for name, field in declared.meta.items() if field.type == "string" and name in data]
    for field in [name for _, name, _, _ in key] or texts[:1]:
        if number and field and declared.meta[field].type in ("string", "integer"):
            value = values.get(field, 0)
            values[field] = value + number if isinstance(value, int) else f"{value}{number}"
    return values


def sample_digest(group: str, notification_type: NotificationType, locale: str) -> Delivery:
    """Return the delivery of a digest of a group, opened by the sample event of a type; the same at every call."""
    return digest_of(sample_delivery(notification_type, locale), group, SAMPLE_MS)
