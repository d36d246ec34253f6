"""The audience of an event: each rule of its type turns rows of the tables into candidates."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from service.model.catalogue import AudienceRule, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.event import Event
from service.model.ids import address_pseudonym
from service.model.keys import GroupKey
from service.model.recipient import Choice, Contact, Recipient
from service.ports import LookupKeys, Rows

# an attribute of an enum's class costs a call each time in Python 3.11
_USERS, _GROUP, _ACCOUNT = AudienceRule.users, AudienceRule.group, AudienceRule.account


class Candidate(NamedTuple):
    """A recipient that a rule found. `known` is false for an id that is not in the recipients table."""

    recipient: str
    rule: AudienceRule
    matched: str = ""
    address: str = ""
    name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    row_version: int = 0
    preferences: Mapping[str, Choice] = MappingProxyType({})
    known: bool = True


def add_lookup_keys(event: Event, notification_type: NotificationType, keys: LookupKeys) -> None:
    """Add the keys of the rows that this event's audience needs."""
    for rule in notification_type.audience:
        if rule.kind is _USERS:
            keys.recipients.update(event.recipients or ())
        elif rule.kind is _GROUP and event.external_id:
            keys.groups.add(GroupKey(event.external_id, event.project_id))
        elif rule.kind is _ACCOUNT and event.account:
            keys.accounts.add(event.account)
        elif rule.role:
            keys.roles.add(rule.role)


def candidates(event: Event, notification_type: NotificationType, rows: Rows) -> Iterator[Candidate]:
    """Yield the recipients that the rules find in these rows, in the order of the rules.

    A recipient that two rules find is yielded twice.
    """
    for rule in notification_type.audience:
        if rule.kind is _USERS:
            for recipient in event.recipients or ():
                yield from_recipient(rows.recipients.get(recipient), recipient, AudienceRule.users, "")
        elif rule.kind is _GROUP and event.external_id:
            yield from group_members(
                GroupKey(event.external_id, event.project_id), notification_type.name, rows
            )
        elif rule.kind is _ACCOUNT and event.account:
            yield from (from_contact(contact) for contact in rows.accounts.get(event.account, ()))
        elif rule.role:
            page = rows.roles.get(rule.role)
            yield from role_members(rule.role, page.members if page else ())


def role_members(role: str, members: Sequence[Recipient]) -> Iterator[Candidate]:
    """Yield the holders of a role."""
    for member in members:
        yield from_recipient(member, member.id, AudienceRule.role, role)


def from_recipient(row: Recipient | None, recipient: str, rule: AudienceRule, matched: str) -> Candidate:
    """Return the candidate of a row of the recipients table; an unknown one where there is no row."""
    if row is None:
        return Candidate(recipient, rule, matched, known=False)
    return Candidate(
        row.id, rule, matched, row.address, row.name, row.locale, row.timezone, row.version, row.preferences
    )


def from_contact(row: Contact) -> Candidate:
    """Return the candidate of a contact of an account."""
    return Candidate(
        row.uuid,
        _ACCOUNT,
        row.account,
        row.email,
        row.name,
        row.locale,
        row.timezone,
        row.version,
        row.preferences,
    )


def group_members(key: GroupKey, type_name: str, rows: Rows) -> Iterator[Candidate]:
    """Yield the addresses that a group lists for a type. Each is known by a pseudonym, since a list has no ids."""
    group = rows.groups.get(key)
    if group is None:
        return
    for address in group.addresses.get(type_name, ()):
        yield Candidate(
            address_pseudonym(address),
            _GROUP,
            str(key),
            address,
            row_version=group.version,
        )


def channels(notification_type: NotificationType, candidate: Candidate) -> Sequence[Channel]:
    """Return the channels for a candidate: a member of a group is an address, so only addressed channels reach it."""
    if candidate.rule is not _GROUP:
        return notification_type.channels
    return [channel for channel in notification_type.channels if CHANNELS[channel].addressed]
