"""What makes a type unusable although each of its fields is well-formed."""

from collections.abc import Iterator
from string import Formatter

from service.model.catalogue import DIGEST, AudienceRule, Catalogue, NotificationType
from service.model.channels import Channel
from service.model.event import WITHDRAW
from service.model.urls import link_fields


def contradictions(notification_type: NotificationType) -> Iterator[tuple[str, str]]:
    """Yield field and reason of each value that is well-formed but would fail at the first event."""
    if notification_type.name == WITHDRAW:
        yield "name", "reserved for events that withdraw others"
    if notification_type.name == DIGEST:
        yield "name", "reserved for digests"
    yield from _waits_in_vain(notification_type)
    for number, rule in enumerate(notification_type.audience):
        if (rule.kind is AudienceRule.role) != bool(rule.role):
            yield f"audience.{number}.role", "belongs to kind role, and to no other"
        if rule.field and rule.kind is not AudienceRule.users:
            yield f"audience.{number}.field", "belongs to kind users"
        if rule.field and rule.field not in notification_type.meta:
            yield f"audience.{number}.field", f"{rule.field} is not in meta"
    if notification_type.actor_field and notification_type.actor_field not in notification_type.meta:
        yield "actor_field", f"{notification_type.actor_field} is not in meta"
    for name in link_fields(notification_type.link or ""):
        declared = notification_type.meta.get(name)
        if declared is None or declared.type not in ("string", "integer"):
            yield "link", f"{{{name}}} is not a string or an integer in meta"
    yield from _unknown_fields(notification_type, "supersede", notification_type.supersede or "")
    if notification_type.digest:
        yield from _unknown_fields(notification_type, "digest.key", notification_type.digest.key)


def _unknown_fields(
    notification_type: NotificationType, name: str, template: str
) -> Iterator[tuple[str, str]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        yield name, str(error)
    else:
        for _, field, _, _ in parts:
            if field is not None and field not in notification_type.meta:
                yield name, f"{{{field}}} is not in meta"


def _waits_in_vain(notification_type: NotificationType) -> Iterator[tuple[str, str]]:
    """Yield what holds mail of a type for which nothing may hold it, or which has no mail or no inbox for it."""
    mailed, shown = (channel in notification_type.channels for channel in (Channel.email, Channel.inbox))
    for field in ("digest", "limit", "quiet_hours", "mail_if_unread_s", "reminders"):
        if not getattr(notification_type, field):
            continue
        name = field.removesuffix("_s")
        if not mailed:
            yield name, "the type has no mail"
        if notification_type.mandatory and field in {"digest", "limit", "quiet_hours"}:
            yield name, "mail of a mandatory type is sent at once"
    for field in ("mail_if_unread_s", "reminders"):
        if getattr(notification_type, field) and not shown:
            yield field.removesuffix("_s"), "the type has no inbox to be read in"


def differing_groups(catalogue: Catalogue) -> Iterator[tuple[str, str, str]]:
    """Yield type, field and reason where types of one group differ in what belongs to the whole digest."""
    for group, types in catalogue.digest_groups().items():
        first = types[0]
        for notification_type in types[1:]:
            for field in ("at", "day", "most"):
                if getattr(notification_type.digest, field) != getattr(first.digest, field):
                    reason = f"differs from that of {first.name}, which is in the group {group} too"
                    yield notification_type.name, f"digest.{field}", reason
