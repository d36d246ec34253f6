"""The audience of an event: each rule of its type turns rows of the tables into candidates."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from service.model.catalogue import Audience, AudienceRule, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.event import Event
from service.model.holds.calendar import QuietHours
from service.model.ids import address_pseudonym
from service.model.keys import GroupKey
from service.model.recipient import Choice, Contact, Recipient
from service.ports import LookupKeys, Rows, Tables

# an attribute of an enum's class costs a call each time in Python 3.11
_USERS, _GROUP, _ACCOUNT = AudienceRule.users, AudienceRule.group, AudienceRule.account


class Candidate(NamedTuple):
    """A recipient that a rule found. `known` is false for an id that is not in the recipients table.

    `quiet_hours`: those of the row, for a contact that is rechecked else those of the account; None for those of the
    type.
    """

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
    quiet_hours: QuietHours | None = None


class AudiencePosition(NamedTuple):
    """How far an audience has been read: all rules before this one, and of this one what is up to the cursor.

    Cursors of a rule are in the order of their texts.
    """

    rule: int
    cursor: str


FIRST = 1000
"""Recipients of one event that are looked up with others; the further ones are looked up by themselves."""


def add_lookup_keys(event: Event, notification_type: NotificationType, keys: LookupKeys) -> None:
    """Add the keys of the rows that this event's audience needs first; `further_candidates` looks up the others."""
    for rule in notification_type.audience:
        if rule.kind is _USERS:
            keys.recipients.update((event.recipients or ())[:FIRST])
        elif rule.kind is _GROUP and event.external_id:
            keys.groups.add(GroupKey(event.external_id, event.project_id))
        elif rule.kind is _ACCOUNT and event.account:
            keys.account_pages.add(event.account)
        elif rule.role:
            keys.roles.add(rule.role)


def candidates(event: Event, notification_type: NotificationType, rows: Rows) -> Iterator[Candidate]:
    """Yield the recipients that the rules find in these rows, in the order of the rules.

    A recipient that two rules find is yielded twice.
    """
    for rule in notification_type.audience:
        if rule.kind is _USERS:
            for recipient in (event.recipients or ())[:FIRST]:
                yield from_recipient(rows.recipients.get(recipient), recipient, AudienceRule.users, "")
        elif rule.kind is _GROUP and event.external_id:
            yield from group_members(
                GroupKey(event.external_id, event.project_id), notification_type.name, rows
            )
        elif rule.kind is _ACCOUNT and event.account:
            if page := rows.account_pages.get(event.account):
                yield from map(from_contact, page.contacts)
        elif rule.role:
            holders = rows.roles.get(rule.role)
            yield from role_members(rule.role, holders.members if holders else ())


def has_further(event: Event, notification_type: NotificationType, rows: Rows) -> bool:
    """Return whether `further_candidates` yields any."""
    account = rows.account_pages.get(event.account or "")
    holders = (rows.roles.get(rule.role or "") for rule in notification_type.audience)
    return (
        len(event.recipients or ()) > FIRST
        or (account is not None and account.cursor is not None and notification_type.needs(_ACCOUNT))
        or any(page is not None and page.cursor is not None for page in holders)
    )


async def further_candidates(
    event: Event, notification_type: NotificationType, rows: Rows, tables: Tables
) -> AsyncIterator[tuple[AudiencePosition, Sequence[Candidate]]]:
    """Yield the candidates that are not in these first rows, up to some thousand at a time. Raise Unavailable.

    They come with the position after them, and in the same order each time.
    """
    for number, rule in enumerate(notification_type.audience):
        async for cursor, page in _further_of(rule, event, rows, tables):
            after = (number + 1, "") if cursor is None else (number, cursor)
            yield AudiencePosition(*after), page


async def _further_of(
    rule: Audience, event: Event, rows: Rows, tables: Tables
) -> AsyncIterator[tuple[str | None, Sequence[Candidate]]]:
    """Yield the further candidates of a rule, each time with the cursor after them; None after the last."""
    recipients, account, role = event.recipients or (), event.account or "", rule.role or ""
    if rule.kind is _USERS:
        for start in range(FIRST, len(recipients), FIRST):
            part = recipients[start : start + FIRST]
            found = (await tables.lookup(LookupKeys(recipients=set(part)))).recipients
            page = [from_recipient(found.get(recipient), recipient, _USERS, "") for recipient in part]
            yield f"{start + FIRST:09}", page
    elif rule.kind is _ACCOUNT and account in rows.account_pages:
        cursor = rows.account_pages[account].cursor
        while cursor is not None:
            contacts = await tables.account(account, cursor, FIRST)
            cursor = contacts.cursor
            yield cursor, list(map(from_contact, contacts.contacts))
    elif role in rows.roles:
        cursor = rows.roles[role].cursor
        while cursor is not None:
            holders = await tables.role(role, cursor, FIRST)
            cursor = holders.cursor
            yield cursor, list(role_members(role, holders.members))


def role_members(role: str, members: Sequence[Recipient]) -> Iterator[Candidate]:
    """Yield the holders of a role."""
    for member in members:
        yield from_recipient(member, member.id, AudienceRule.role, role)


def from_recipient(row: Recipient | None, recipient: str, rule: AudienceRule, matched: str) -> Candidate:
    """Return the candidate of a row of the recipients table; an unknown one where there is no row."""
    if row is None:
        return Candidate(recipient, rule, matched, known=False)
    return Candidate(
        row.id,
        rule,
        matched,
        row.address,
        row.name,
        row.locale,
        row.timezone,
        row.version,
        row.preferences,
        quiet_hours=row.quiet_hours,
    )


def from_contact(row: Contact, account_hours: QuietHours | None = None) -> Candidate:
    """Return the candidate of a contact; `account_hours`: the quiet hours of its account, which the recheck needs."""
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
        quiet_hours=account_hours if row.quiet_hours is None else row.quiet_hours,
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
