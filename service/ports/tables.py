"""The tables of recipients, contacts, groups, suppressions: read in batches, written by version."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.model.keys import ContactKey, GroupKey
from service.model.recipient import Choice, Contact, Group, Recipient
from service.model.suppression import Suppression
from service.model.unsubscribe import Unsubscribe


@dataclass(slots=True)
class LookupKeys:
    """The rows a batch needs: recipient ids, keys of groups, account ids, roles.

    `accounts` means all their contacts; `contacts` are single ones.
    """

    recipients: set[str] = field(default_factory=set)
    groups: set[GroupKey] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    contacts: set[ContactKey] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class RolePage:
    """Some holders of a role; `cursor` asks for those after them, None when there are no more."""

    members: Sequence[Recipient]
    cursor: str | None


@dataclass(slots=True)
class Rows:
    """What was found. An absent recipient, group, account or contact is absent here too."""

    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    groups: Mapping[GroupKey, Group] = field(default_factory=dict)
    accounts: Mapping[str, Sequence[Contact]] = field(default_factory=dict)
    roles: Mapping[str, RolePage] = field(default_factory=dict)
    contacts: Mapping[ContactKey, Contact] = field(default_factory=dict)


class MailBlock(NamedTuple):
    """What stands between a recipient and a type of mail: nothing, a suppression, an unsubscribe."""

    suppression: Suppression | None = None
    unsubscribed: Choice | None = None


class Tables(Protocol):
    """The recipient, contact, group and preference tables, read in batches."""

    async def lookup(self, wanted: LookupKeys) -> Rows:
        """All wanted rows in one pipeline (two when roles are wanted). Raises Unavailable, also while incomplete."""
        ...

    async def role(self, role: str, cursor: str, limit: int = 1000) -> RolePage:
        """The holders of a role after `cursor`, in id order."""
        ...

    async def blocks(self, asked: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        """For each (address, unsubscribe key) what bars it, in one pipeline; an empty one is barred by nothing."""
        ...

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """The unsubscribe of this `unsubscribe_key`."""
        ...

    async def suppression(self, address: str) -> Suppression | None:
        """Why and since when an address is not mailed; None when it is."""
        ...

    async def incomplete(self) -> str | None:
        """Why nothing may be sent yet; None when the tables are known to be complete."""
        ...


class TableWrites(Protocol):
    """Rows put by the APIs, the import and the changelog. A lower version never undoes a higher one."""

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows with their role index; False where a newer version stands."""
        ...

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        """Remove a row and its index entries."""
        ...

    async def put_group(self, row: Group) -> bool:
        """Write a group's map."""
        ...

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        """Remove a group's map."""
        ...

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write contacts with their preferences."""
        ...

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        """Remove a contact and its preferences."""
        ...

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        """Stop mail to the address of this `address_key`; the row's time is its version."""
        ...

    async def delete_suppression(self, key: str, version: int) -> bool:
        """Allow mail again."""
        ...

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        """Stop a type's mail to a recipient."""
        ...

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        """Let it go out again."""
        ...


class RowLocks(Protocol):
    """One writer a row, so that what the topic holds and what Redis holds are written in the same order."""

    def hold(self, row: str) -> AbstractAsyncContextManager[None]:
        """Wait for the row and keep it for the block. Raises Unavailable when it stays taken."""
        ...


class RecipientDirectory(Protocol):
    """The recipients table in id order."""

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        """At most `limit` rows whose ids come after `after` by their UTF-8 bytes. Raises Unavailable."""
        ...


class ContactPage(NamedTuple):
    """Some of an account's contacts, and how many it has in all."""

    total: int
    rows: Sequence[Contact]


class Contacts(Protocol):
    """The contacts of an account, for who reads through them."""

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        """The main contact first, then by uuid; at most `limit`, 0 means all. Raises Unavailable."""
        ...
