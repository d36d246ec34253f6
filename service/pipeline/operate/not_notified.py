"""Not notified: why an event has no delivery to a recipient on a channel, from the tables as they are now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.model.catalogue import Audience, AudienceRule, NotificationType
from service.model.channels import Channel
from service.model.ids import address_pseudonym, is_pseudonym
from service.model.keys import ContactKey, GroupKey
from service.ports import LookupKeys, Rows


class NotNotifiedReason(StrEnum):
    """Why there is no delivery. A closed set beside the ledger's reasons, which belong to deliveries."""

    channel_not_in_type = "channel_not_in_type"
    address_only = "address_only"
    no_such_recipient = "no_such_recipient"
    not_in_group = "not_in_group"
    not_in_audience = "not_in_audience"

    @property
    def text(self) -> str:
        """Return the sentence for humans."""
        return NOT_NOTIFIED_TEXT[self]


NOT_NOTIFIED_TEXT: Mapping[NotNotifiedReason, str] = {
    NotNotifiedReason.channel_not_in_type: "the type does not use this channel",
    NotNotifiedReason.address_only: "a group lists only an address, which this channel cannot reach",
    NotNotifiedReason.no_such_recipient: "the recipients table has no such recipient",
    NotNotifiedReason.not_in_group: "the group does not list this recipient for the type",
    NotNotifiedReason.not_in_audience: "no rule of the type's audience matches the recipient",
}


@dataclass(frozen=True, slots=True)
class NotNotified:
    """A recipient × channel without a delivery. `words`: why, rule by rule."""

    recipient: str
    channel: Channel
    reason: NotNotifiedReason
    words: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "recipient": self.recipient,
            "channel": self.channel,
            "reason": self.reason,
            "reason_text": self.reason.text,
            "words": self.words,
        }


def keys_for(head: Mapping[str, object], recipients: set[str]) -> LookupKeys:
    """Return the keys of the rows that say why these recipients are not in the audience of an event."""
    keys = LookupKeys(recipients={name for name in recipients if not is_pseudonym(name)})
    if external_id := head.get("external_id"):
        keys.groups.add(GroupKey(str(external_id), str(head.get("project_id", ""))))
    if account := head.get("account"):
        keys.contacts.update(ContactKey(str(account), name) for name in recipients)
    return keys


def not_matched(
    recipient: str, notification_type: NotificationType, head: Mapping[str, object], rows: Rows
) -> Iterator[NotNotified]:
    """Return one answer per channel for a recipient that no rule of the audience matched."""
    words = "; ".join(
        _why_not_matched(rule, recipient, notification_type, head, rows)
        for rule in notification_type.audience
    )
    contact = ContactKey(str(head.get("account", "")), recipient)
    known = recipient in rows.recipients or contact in rows.contacts
    if all(rule.kind is AudienceRule.group for rule in notification_type.audience):
        reason = NotNotifiedReason.not_in_group
    elif not known and not is_pseudonym(recipient):
        reason, words = NotNotifiedReason.no_such_recipient, f"not in the recipients table; {words}"
    else:
        reason = NotNotifiedReason.not_in_audience
    for channel in Channel:
        if channel in notification_type.channels:
            yield NotNotified(recipient, channel, reason, words)
        else:
            yield _other_channel(recipient, channel, notification_type)


def channels_left_out(
    recipient: str, rule: str, has: set[str], notification_type: NotificationType
) -> Iterator[NotNotified]:
    """Return one answer per channel on which a matched recipient has no delivery.

    Either the type does not use the channel, or the channel cannot reach a mere address. `has`: the channels with a
    delivery.
    """
    for channel in Channel:
        if channel.value in has:
            continue
        if channel in notification_type.channels and rule == AudienceRule.group:
            words = "a group lists addresses, and only mail reaches an address"
            yield NotNotified(recipient, channel, NotNotifiedReason.address_only, words)
        else:
            yield _other_channel(recipient, channel, notification_type)


def _other_channel(recipient: str, channel: Channel, notification_type: NotificationType) -> NotNotified:
    words = f"{notification_type.name} goes by {' and '.join(notification_type.channels)} only"
    return NotNotified(recipient, channel, NotNotifiedReason.channel_not_in_type, words)


def _why_not_matched(
    rule: Audience,
    recipient: str,
    notification_type: NotificationType,
    head: Mapping[str, object],
    rows: Rows,
) -> str:
    """Return why this rule did not match this recipient."""
    if rule.kind is AudienceRule.users:
        return f"not among the {head.get('recipients', 0)} that the event names"
    if rule.kind is AudienceRule.role:
        row = rows.recipients.get(recipient)
        if row is not None and rule.role in row.roles:
            return f"has the role {rule.role} now, and did not have it then"
        return f"does not have the role {rule.role}"
    if rule.kind is AudienceRule.group:
        return _why_not_in_group(recipient, notification_type, head, rows)
    account = str(head.get("account", ""))
    if ContactKey(account, recipient) in rows.contacts:
        return f"a contact of account {account} now, and was not then"
    return f"not a contact of account {account}" if account else "the event names no account"


def _why_not_in_group(
    recipient: str, notification_type: NotificationType, head: Mapping[str, object], rows: Rows
) -> str:
    external_id, project_id = str(head.get("external_id", "")), str(head.get("project_id", ""))
    if not external_id:
        return "the event names no group"
    name = f"group {external_id}{' of project ' + project_id if project_id else ''}"
    group = rows.groups.get(GroupKey(external_id, project_id))
    if group is None:
        return f"{name} is not in the table"
    row = rows.recipients.get(recipient)
    pseudonyms = {recipient, address_pseudonym(row.address) if row and row.address else ""}
    listed = group.addresses.get(notification_type.name, ())
    if any(address_pseudonym(address) in pseudonyms for address in listed):
        return f"listed by {name} for {notification_type.name} now, and was not then"
    return f"not listed by {name} for {notification_type.name}"
