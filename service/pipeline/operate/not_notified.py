"""Absent: why somebody is not among those an event was for. Answered from the tables as they stand now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.model.catalogue import Audience, AudienceRule, NotificationType
from service.model.channels import Channel
from service.model.ids import address_pseudonym, is_pseudonym
from service.model.keys import GroupKey
from service.ports import LookupKeys, Rows


class NotNotifiedReason(StrEnum):
    """Why there is no delivery at all. A closed set beside the ledger's reasons, which belong to deliveries."""

    channel_not_in_type = "channel_not_in_type"
    address_only = "address_only"
    no_such_recipient = "no_such_recipient"
    not_in_group = "not_in_group"
    not_in_audience = "not_in_audience"


@dataclass(frozen=True, slots=True)
class NotNotified:
    """A recipient × channel that got nothing, and why in words, rule by rule."""

    recipient: str
    channel: Channel
    reason: NotNotifiedReason
    words: str


def rows_for(head: Mapping[str, object], recipients: set[str]) -> LookupKeys:
    """What has to be looked up to say why these are not in an event's audience."""
    wanted = LookupKeys(recipients={name for name in recipients if not is_pseudonym(name)})
    if external_id := head.get("external_id"):
        wanted.groups.add(GroupKey(str(external_id), str(head.get("project_id", ""))))
    if account := head.get("account"):
        wanted.accounts.add(str(account))
    return wanted


def not_found(
    recipient: str, row: NotificationType, head: Mapping[str, object], rows: Rows
) -> Iterator[NotNotified]:
    """For somebody whom no rule found: one answer a channel."""
    words = "; ".join(_why(rule, recipient, row, head, rows) for rule in row.audience)
    known = recipient in rows.recipients or any(
        contact.uuid == recipient for contacts in rows.accounts.values() for contact in contacts
    )
    if all(rule.kind is AudienceRule.group for rule in row.audience):
        reason = NotNotifiedReason.not_in_group
    elif not known and not is_pseudonym(recipient):
        reason, words = NotNotifiedReason.no_such_recipient, f"not in the recipients table; {words}"
    else:
        reason = NotNotifiedReason.not_in_audience
    for channel in Channel:
        if channel in row.channels:
            yield NotNotified(recipient, channel, reason, words)
        else:
            yield _other_channel(recipient, channel, row)


def not_made(recipient: str, found: str, has: set[str], row: NotificationType) -> Iterator[NotNotified]:
    """For somebody who was found: the channels that the type does not use, or that do not reach them."""
    for channel in Channel:
        if channel.value in has:
            continue
        if channel in row.channels and found == AudienceRule.group:
            said = "a group lists addresses, and nothing but mail reaches an address"
            yield NotNotified(recipient, channel, NotNotifiedReason.address_only, said)
        else:
            yield _other_channel(recipient, channel, row)


def _other_channel(recipient: str, channel: Channel, row: NotificationType) -> NotNotified:
    said = f"{row.name} goes by {' and '.join(row.channels)} only"
    return NotNotified(recipient, channel, NotNotifiedReason.channel_not_in_type, said)


def _why(
    rule: Audience, recipient: str, row: NotificationType, head: Mapping[str, object], rows: Rows
) -> str:
    """Why this rule did not find this recipient."""
    if rule.kind is AudienceRule.users:
        named = head.get("recipients", 0)
        return f"not among the {named} that the event names"
    if rule.kind is AudienceRule.role:
        person = rows.recipients.get(recipient)
        if person is not None and rule.role in person.roles:
            return f"has the role {rule.role} now, and did not have it then"
        return f"does not have the role {rule.role}"
    if rule.kind is AudienceRule.group:
        return _why_not_in_group(recipient, row, head, rows)
    account = str(head.get("account", ""))
    if any(contact.uuid == recipient for contact in rows.accounts.get(account, ())):
        return f"a contact of account {account} now, and was not then"
    return f"not a contact of account {account}" if account else "the event names no account"


def _why_not_in_group(recipient: str, row: NotificationType, head: Mapping[str, object], rows: Rows) -> str:
    external_id, project_id = str(head.get("external_id", "")), str(head.get("project_id", ""))
    if not external_id:
        return "the event names no group"
    name = f"group {external_id}{' of project ' + project_id if project_id else ''}"
    group = rows.groups.get(GroupKey(external_id, project_id))
    if group is None:
        return f"{name} is not in the table"
    person = rows.recipients.get(recipient)
    pseudonyms = {recipient, address_pseudonym(person.address) if person and person.address else ""}
    if any(address_pseudonym(address) in pseudonyms for address in group.addresses.get(row.name, ())):
        return f"listed by {name} for {row.name} now, and was not then"
    return f"not listed by {name} for {row.name}"
