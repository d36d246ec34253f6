"""The tables in memory, to read and to write."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.ids import address_key
from service.model.keys import ContactKey, GroupKey
from service.model.recipient import Contact, Group, Recipient
from service.ports import (
    ABSENT,
    AccountPage,
    ContactPage,
    LookupKeys,
    MailBlock,
    RolePage,
    Rows,
    Unavailable,
)
from tests.fakes.credentials import FakeAccounts
from tests.fakes.outage import Outage

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", Recipient, Group, Contact, Unsubscribe)


class FakeTables:
    """Implements the Tables, TableWrites and Contacts ports. Reads fail while `reason` is set.

    Complete from the start unless `complete` is False.
    """

    def __init__(self, *, complete: bool = True) -> None:
        self.outage = Outage()
        self.reason = None if complete else ABSENT
        self.recipients: dict[str, Recipient] = {}
        self.groups: dict[tuple[str, str], Group] = {}
        self.contacts: dict[str, dict[str, Contact]] = {}
        self.suppressions: dict[str, Suppression] = {}
        self.unsubscribes: dict[str, Unsubscribe] = {}
        self.accounts = FakeAccounts()
        self._tombstones: dict[tuple[str, ...], int] = {}

    async def lookup(self, keys: LookupKeys) -> Rows:
        self._check()
        return Rows(
            recipients=_rows(self.recipients, keys.recipients),
            groups={GroupKey(*key): self.groups[key] for key in keys.groups if key in self.groups},
            roles={role: self._page(role, "", 1000) for role in keys.roles},
            account_pages={account: self._account(account, "", 1000) for account in keys.account_pages},
            contacts={
                ContactKey(account, uuid): row
                for account, uuid in keys.contacts
                if (row := self.contacts.get(account, {}).get(uuid))
            },
            quiet_hours={
                account: row.quiet_hours
                for account in {account for account, _ in keys.contacts}
                if (row := self.accounts.rows.get(account)) and row.quiet_hours is not None
            },
        )

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        self._check()
        rows = sorted(self.contacts.get(account, {}).values(), key=lambda c: (not c.main, c.uuid))
        return ContactPage(len(rows), rows[offset : offset + limit if limit else None])

    async def role(self, role: str, cursor: str, limit: int = 1000) -> RolePage:
        self._check()
        return self._page(role, cursor, limit)

    async def account(self, account: str, cursor: str, limit: int = 1000) -> AccountPage:
        self._check()
        return self._account(account, cursor, limit)

    def _account(self, account: str, cursor: str, limit: int) -> AccountPage:
        by_cursor = {
            f"{0 if contact.main else 1}:{contact.uuid}": contact
            for contact in self.contacts.get(account, {}).values()
        }
        after = sorted(key for key in by_cursor if key > cursor)
        page = after[:limit]
        more = len(after) > limit
        again = (
            [] if more or len(after) == len(by_cursor) else [key for key in by_cursor if key.startswith("0:")]
        )
        return AccountPage([by_cursor[key] for key in page + again], page[-1] if more else None)

    async def blocks(self, queries: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        self._check()
        rows = [(self.suppressions.get(address_key(a)), self.unsubscribes.get(key)) for a, key in queries]
        return [MailBlock(suppression, row.choice() if row else None) for suppression, row in rows]

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        self.outage.check()
        return self.unsubscribes.get(key)

    async def suppression(self, address: str) -> Suppression | None:
        return self.suppressions.get(address_key(address))

    async def incomplete(self) -> str | None:
        self.outage.check()
        return self.reason

    async def mark_complete(self) -> None:
        if self.reason == ABSENT:
            raise Unavailable(ABSENT)
        self.reason = None

    async def mark_incomplete(self, reason: str) -> None:
        self.reason = reason

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        self.outage.check()
        return [self._put(self.recipients, row.id, row, ("recipient", row.id)) for row in rows]

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        self.outage.check()
        return self._delete(self.recipients, recipient, version, ("recipient", recipient))

    async def put_group(self, row: Group) -> bool:
        self.outage.check()
        key = (row.external_id, row.project_id)
        return self._put(self.groups, key, row, ("group", *key))

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        self.outage.check()
        key = (external_id, project_id)
        return self._delete(self.groups, key, version, ("group", *key))

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        self.outage.check()
        return [
            self._put(
                self.contacts.setdefault(row.account, {}), row.uuid, row, ("contact", row.account, row.uuid)
            )
            for row in rows
        ]

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        self.outage.check()
        rows = self.contacts.setdefault(account, {})
        return self._delete(rows, uuid, version, ("contact", account, uuid))

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        self.outage.check()
        old = self.suppressions.get(key)
        if (old.at_ms if old else self._tombstones.get(("suppression", key), row.at_ms)) > row.at_ms:
            return False
        self.suppressions[key] = row
        return True

    async def delete_suppression(self, key: str, version: int) -> bool:
        self.outage.check()
        old = self.suppressions.get(key)
        if (old.at_ms if old else self._tombstones.get(("suppression", key), version)) > version:
            return False
        self.suppressions.pop(key, None)
        self._tombstones["suppression", key] = version
        return True

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        self.outage.check()
        return self._put(self.unsubscribes, row.id, row, ("unsubscribe", row.id))

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        self.outage.check()
        return self._delete(self.unsubscribes, key, version, ("unsubscribe", key))

    def _check(self) -> None:
        self.outage.check()
        if self.reason:
            raise Unavailable(self.reason)

    def _page(self, role: str, cursor: str, limit: int) -> RolePage:
        every = sorted(i for i, row in self.recipients.items() if role in row.roles and i > cursor)
        members = tuple(self.recipients[i] for i in every[:limit])
        return RolePage(members, every[limit - 1] if len(every) > limit else None)

    def _put(self, table: dict[K, V], key: K, row: V, name: tuple[str, ...]) -> bool:
        old = table.get(key)
        if (old.version if old else self._tombstones.get(name, row.version)) > row.version:
            return False
        table[key] = row
        self._tombstones.pop(name, None)
        return True

    def _delete(self, table: dict[K, V], key: K, version: int, name: tuple[str, ...]) -> bool:
        old = table.get(key)
        if (old.version if old else self._tombstones.get(name, version)) > version:
            return False
        table.pop(key, None)
        self._tombstones[name] = version
        return True


class FakeRecipientDirectory:
    """Implements the RecipientDirectory port, over the fake tables."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    async def recipients(self, after: str, limit: int) -> Sequence[Recipient]:
        rows = sorted(self._tables.recipients.values(), key=lambda row: row.id.encode())
        return [row for row in rows if row.id.encode() > after.encode()][:limit]


def _rows(table: Mapping[K, V], keys: set[K]) -> dict[K, V]:
    return {key: table[key] for key in keys if key in table}
