"""The tables of recipients, contacts, groups, suppressions, unsubscribes: read in batches, written by version."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.holds.calendar import QuietHours
from service.model.keys import ContactKey, GroupKey
from service.model.recipient import Choice, Contact, Group, Recipient


@dataclass(slots=True)
class LookupKeys:
    """Keys of the rows that a batch needs: recipient ids, keys of groups, roles, contacts, accounts.

    `account_pages`: accounts of whose contacts a first page is needed.
    """

    recipients: set[str] = field(default_factory=set)
    groups: set[GroupKey] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    contacts: set[ContactKey] = field(default_factory=set)
    account_pages: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some contacts of an account; `cursor` continues after them, None when there are no more."""

    contacts: Sequence[Contact]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RolePage:
    """Some holders of a role; `cursor` continues after them, None when there are no more."""

    members: Sequence[Recipient]
    cursor: str | None


@dataclass(slots=True)
class Rows:
    """The rows of a lookup. A recipient, group, account or contact that does not exist is absent here too.

    `quiet_hours`: of the accounts of `contacts` those that have any, for contacts that have none of their own.
    """

    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    groups: Mapping[GroupKey, Group] = field(default_factory=dict)
    roles: Mapping[str, RolePage] = field(default_factory=dict)
    contacts: Mapping[ContactKey, Contact] = field(default_factory=dict)
    account_pages: Mapping[str, AccountPage] = field(default_factory=dict)
    quiet_hours: Mapping[str, QuietHours] = field(default_factory=dict)


class MailBlock(NamedTuple):
    """The blocks of mail of a type to a recipient: a suppression, an unsubscribe, both or neither."""

    suppression: Suppression | None = None
    unsubscribed: Choice | None = None


class Tables(Protocol):
    """The recipient, contact, group and preference tables, read in batches."""

    async def lookup(self, keys: LookupKeys) -> Rows:
        """Return the rows, of roles and accounts the first page. Raise Unavailable, also while they are incomplete."""
        ...

    async def role(self, role: str, cursor: str, limit: int = 1000) -> RolePage:
        """Return the holders of a role after `cursor`, in id order."""
        ...

    async def account(self, account: str, cursor: str, limit: int = 1000) -> AccountPage:
        """Return contacts of an account after `cursor`, at most `limit`, the main one first, then by uuid.

        An empty cursor is the beginning. A contact that is there all the time is on one of the pages: the last one has
        the main contact again, since another may have become it. Cursors are in the order of their texts, and mean the
        same in another process and on another server. Raise Unavailable.
        """
        ...

    async def blocks(self, queries: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        """Return what blocks each (address, unsubscribe key), in one pipeline; nothing blocks an empty one."""
        ...

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """Return the unsubscribe of an `unsubscribe_key`; None where there is none."""
        ...

    async def suppression(self, address: str) -> Suppression | None:
        """Return the suppression of an address; None where there is none."""
        ...

    async def incomplete(self) -> str | None:
        """Return why nothing may be sent yet; None when the tables are known to be complete."""
        ...


class TableWrites(Protocol):
    """Writes of the APIs, the import and the tables' topics. A lower version never replaces a higher one.

    Every method returns, for each row, False where a newer version is stored.
    """

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows with their role index."""
        ...

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        """Remove a row and its index entries."""
        ...

    async def put_group(self, row: Group) -> bool:
        """Write a group's lists of addresses."""
        ...

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        """Remove a group's lists of addresses."""
        ...

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write contacts with their preferences."""
        ...

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        """Remove a contact and its preferences."""
        ...

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        """Block mail to the address of an `address_key`; the row's time is its version."""
        ...

    async def delete_suppression(self, key: str, version: int) -> bool:
        """Remove a suppression, so that the address is mailed again."""
        ...

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        """Block a type's mail to a recipient."""
        ...

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        """Remove an unsubscribe, so that the type is mailed again."""
        ...


class RowLocks(Protocol):
    """Locks of table rows: one writer a row, so that its topic and Redis are written in the same order."""

    def hold(self, row: str) -> AbstractAsyncContextManager[None]:
        """Wait for the lock of a row and hold it for the block. Raise Unavailable when it stays locked."""
        ...


class RecipientDirectory(Protocol):
    """The recipients table in id order."""

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        """Return at most `limit` rows whose ids come after `after` by their UTF-8 bytes. Raise Unavailable."""
        ...


class ContactPage(NamedTuple):
    """Some of an account's contacts, and their total number."""

    total: int
    rows: Sequence[Contact]


class Contacts(Protocol):
    """The contacts of an account, by pages."""

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        """Return contacts, the main one first, then by uuid; at most `limit`, 0 means all. Raise Unavailable."""
        ...
