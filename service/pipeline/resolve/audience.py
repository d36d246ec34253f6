"""Audience: who an event is for. Each rule of the type turns rows of the tables into candidates."""

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
    """Somebody a rule found. `known` is false for an id that the recipients table lacks."""

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


def want(event: Event, row: NotificationType, wanted: LookupKeys) -> None:
    """Note the rows that this event's audience needs."""
    for rule in row.audience:
        if rule.kind is _USERS:
            wanted.recipients.update(event.recipients or ())
        elif rule.kind is _GROUP and event.external_id:
            wanted.groups.add(GroupKey(event.external_id, event.project_id))
        elif rule.kind is _ACCOUNT and event.account:
            wanted.accounts.add(event.account)
        elif rule.role:
            wanted.roles.add(rule.role)


def candidates(event: Event, row: NotificationType, rows: Rows) -> Iterator[Candidate]:
    """Everybody whom the rules find in these rows, in the order of the rules; twice where two rules do."""
    for rule in row.audience:
        if rule.kind is _USERS:
            for name in event.recipients or ():
                yield from_recipient(rows.recipients.get(name), name, AudienceRule.users, "")
        elif rule.kind is _GROUP and event.external_id:
            yield from group_members(GroupKey(event.external_id, event.project_id), row.name, rows)
        elif rule.kind is _ACCOUNT and event.account:
            yield from (from_contact(c) for c in rows.accounts.get(event.account, ()))
        elif rule.role:
            page = rows.roles.get(rule.role)
            yield from role_members(rule.role, page.members if page else ())


def role_members(role: str, members: Sequence[Recipient]) -> Iterator[Candidate]:
    """The holders of a role."""
    for member in members:
        yield from_recipient(member, member.id, AudienceRule.role, role)


def from_recipient(row: Recipient | None, name: str, rule: AudienceRule, matched: str) -> Candidate:
    """A row of the recipients table, or its absence."""
    if row is None:
        return Candidate(name, rule, matched, known=False)
    return Candidate(
        row.id, rule, matched, row.address, row.name, row.locale, row.timezone, row.version, row.preferences
    )


def from_contact(row: Contact) -> Candidate:
    """A contact of an account."""
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
    """The addresses a group lists for a type; each is known by a pseudonym, since a list names no persons."""
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


def channels(row: NotificationType, candidate: Candidate) -> Sequence[Channel]:
    """Return the channels for a candidate: a member of a group is an address, so only addressed channels reach it."""
    if candidate.rule is not _GROUP:
        return row.channels
    return [channel for channel in row.channels if CHANNELS[channel].addressed]
