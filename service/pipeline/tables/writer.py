"""Writes to the tables, for the API and operators: lock → decide → version → publish → store.

A preference is part of its row: `recipient()` writes a recipient with its preferences,
`change_contacts()` contacts with theirs. A PUT of a preference in the API calls one of these two.

- Lock before publish: otherwise two writers could publish in one order and store in the other, and after a rebuild
  the other row would be in force.
- Publish before store: otherwise a write could be confirmed that a rebuild from the topic does not bring back.
- Held mail after the store: the stage that decides again when it goes must read the new row. A writer that stops in
  between leaves this to the tables stage, which reads the record.
- A version on every row: an upstream system that publishes to the topic itself takes no lock, and must not undo a
  newer row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.model.access import Account, ApiKey
from service.model.blocks.suppression import suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.ids import address_key
from service.model.keys import ContactKey, GroupKey
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient, row_bytes
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.tables.held_mail import HeldMail
from service.pipeline.tables.schema import ROW_MODELS, RowRefused, read_row
from service.ports import (
    Accounts,
    ApiKeys,
    Clock,
    ContactPage,
    Contacts,
    LookupKeys,
    Publisher,
    RowLocks,
    Tables,
    TableWrites,
    Unavailable,
)

T = TypeVar("T")
_ATTEMPTS = 8
_MAX_ROW_BYTES = 1_000_000
_MAX_INLINE_BYTES = 32_768  # checking a larger row takes longer than other tasks should wait
_SLICE = 200  # contacts
LONGEST_S = 20.0
"""Longest time that a write holds its lock; the lock's TTL must be longer."""


class RowTooLarge(RowRefused):
    """The error of a row that its topic would refuse: Kafka's limit for a record is 1 MiB."""


@dataclass(frozen=True, slots=True)
class TableStores:
    """The ports that read and store rows.

    `held`: the mail whose time may change with a row; None where no row is new, as for a rebuild.
    """

    tables: Tables
    writes: TableWrites
    accounts: Accounts
    api_keys: ApiKeys
    contacts: Contacts
    held: HeldMail | None = None

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows; return for each whether no newer one is stored. Raise Unavailable."""
        written = await self.writes.put_recipients(rows)
        if self.held is not None:
            await self.held.retime([row.id for row, done in zip(rows, written, strict=True) if done])
        return written

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write rows; return for each whether no newer one is stored. Raise Unavailable."""
        written = await self.writes.put_contacts(rows)
        if self.held is not None:
            await self.held.retime([row.uuid for row, done in zip(rows, written, strict=True) if done])
        return written

    async def put_account(self, row: Account) -> bool:
        """Write a row; return whether no newer one is stored. Raise Unavailable."""
        if self.held is None:
            return await self.accounts.put(row)
        before = await self.accounts.get(row.id)
        written = await self.accounts.put(row)
        if written and _has_other_hours(row, before):
            await self.held.retime_account(row.id)
        return written


def _has_other_hours(row: Account, before: Account | None) -> bool:
    """Return whether quiet hours change with a row. One that is written again may have been left halfway."""
    if before is not None and before.version == row.version:
        return True
    return row.quiet_hours != (before.quiet_hours if before else None)


class TableWriter:
    """Writer of single rows; preferences are written with the row of their recipient or contact.

    Exceptions of a `change` callback propagate, with nothing written. Every method raises Unavailable; the change may
    then have been made or not, and can be retried. Methods that write a row raise RowRefused, with nothing written.
    """

    def __init__(
        self, stores: TableStores, publisher: Publisher, locks: RowLocks, topics: TopicNames, clock: Clock
    ) -> None:
        self._stores = stores
        self._publisher = publisher
        self._locks = locks
        self._topics = topics
        self._clock = clock

    @property
    def tables(self) -> Tables:
        """Return the tables that it reads, as they are after its writes."""
        return self._stores.tables

    async def group(self, external_id: str, project_id: str, change: Callable[[Group], Group]) -> Group:
        """Change a group's address lists; `change` gets an empty group where none is stored. Return the row."""
        key = GroupKey(external_id, project_id)

        async def attempt() -> Group | None:
            current = await self.read_group(external_id, project_id)
            row = change(current)
            if row == current:
                return current
            row = row.model_copy(update={"version": self._after(current.version)})
            await self._publish("groups", [(str(key), row_bytes(row))])
            written = await self._stores.writes.put_group(row)
            return row if written or row == await self.read_group(external_id, project_id) else None

        return await self._until_written(f"group:{key}", attempt)

    async def recipient(self, recipient: str, change: Callable[[Recipient | None], Recipient]) -> Recipient:
        """Change a recipient with its preferences and return the row; `change` gets None where none is stored."""

        async def attempt() -> Recipient | None:
            current = await self.read_recipient(recipient)
            row = change(current)
            if row == current:
                return current
            row = row.model_copy(update={"version": self._after(current.version if current else 0)})
            # Before the store: once confirmed, the row must be in the topic that a rebuild reads.
            await self._publish("recipients", [(recipient, row_bytes(row))])
            written = all(await self._stores.put_recipients([row]))
            return row if written or row == await self.read_recipient(recipient) else None

        return await self._until_written(f"recipient:{recipient}", attempt)

    async def drop_recipient(
        self, recipient: str, check: Callable[[Recipient], None] = lambda _: None
    ) -> bool:
        """Delete a recipient with its preferences; return False when there is none. `check` may raise to keep it."""

        async def attempt() -> bool | None:
            current = await self.read_recipient(recipient)
            if current is None:
                return False
            check(current)
            version = self._after(current.version)
            await self._publish("recipients", [(recipient, None)], version)
            deleted = await self._stores.writes.delete_recipient(recipient, version)
            return True if deleted or await self.read_recipient(recipient) is None else None

        return await self._until_written(f"recipient:{recipient}", attempt)

    async def add_contacts(
        self, account: str, make: Callable[[ContactPage], Sequence[Contact]]
    ) -> Sequence[Contact]:
        """Write new contacts and return them; `make` gets the number of contacts, and the first, which is the main one.

        The lock is the account's, because an account has a limited number of contacts and only one main contact.
        """

        async def attempt() -> Sequence[Contact] | None:
            rows = make(await self._stores.contacts.page(account, 0, 1))
            return await self._put_contacts(rows, 0)

        return await self._until_written(f"account:{account}", attempt)

    async def change_contacts(
        self,
        account: str,
        uuids: Sequence[str],
        change: Callable[[Mapping[str, Contact]], Awaitable[Sequence[Contact]]],
    ) -> Sequence[Contact]:
        """Write the contacts, with their preferences, that `change` makes of the stored ones; return them in its order.

        `change` gets those of the `uuids` that are stored.
        """

        async def attempt() -> Sequence[Contact] | None:
            current = await self._contacts_of(account, uuids)
            requested = await change(current)
            rows = [row for row in requested if row != current.get(row.uuid)]
            floor = max((current[row.uuid].version for row in rows if row.uuid in current), default=0)
            written = await self._put_contacts(rows, floor)
            if written is None:
                return None
            changed = {row.uuid: row for row in written}
            return [changed.get(row.uuid, row) for row in requested]

        return await self._until_written(f"account:{account}", attempt)

    async def drop_contact(
        self, account: str, uuid: str, check: Callable[[Contact], None] = lambda _: None
    ) -> bool:
        """Delete a contact with its preferences; return False when there is none. `check` may raise to keep it."""

        async def attempt() -> bool | None:
            row = await self.read_contact(account, uuid)
            if row is None:
                return False
            check(row)
            version = self._after(row.version)
            await self._publish("contacts", [(str(ContactKey(account, row.uuid)), None)], version)
            deleted = await self._stores.writes.delete_contact(account, row.uuid, version)
            return True if deleted or await self.read_contact(account, row.uuid) is None else None

        return await self._until_written(f"account:{account}", attempt)

    async def account(self, account: str, credential: str) -> Account:
        """Set an account's credential hash, keep the rest of its row, and return it."""

        async def attempt() -> Account | None:
            current = await self._stores.accounts.get(account)
            version = self._after(current.version if current else 0)
            quiet_hours = current.quiet_hours if current else None
            row = Account(id=account, credential=credential, quiet_hours=quiet_hours, version=version)
            await self._publish("accounts", [(account, row_bytes(row))])
            written = await self._stores.put_account(row)
            return row if written or row == await self._stores.accounts.get(account) else None

        return await self._until_written(f"credential:{account}", attempt)

    async def api_key(self, key: str, change: Callable[[ApiKey | None], ApiKey]) -> ApiKey:
        """Change an API key and return the row; `change` gets None where none is stored."""

        async def attempt() -> ApiKey | None:
            current = await self._stores.api_keys.get(key)
            row = change(current)
            row = row.model_copy(update={"version": self._after(current.version if current else 0)})
            await self._publish("api-keys", [(key, row_bytes(row))])
            written = await self._stores.api_keys.put(row)
            return row if written or row == await self._stores.api_keys.get(key) else None

        return await self._until_written(f"key:{key}", attempt)

    async def suppress(self, address: str, reason: Reason, detail: str = "") -> None:
        """Suppress an address: stop all mail to it."""
        key, row = suppression(address, reason, self._clock.now_ms(), detail)

        async def attempt() -> bool:
            await self._publish("suppressions", [(key, row.to_bytes())])
            await self._stores.writes.put_suppression(key, row)
            return True

        await self._until_written(f"suppression:{key}", attempt)

    async def unsuppress(self, address: str) -> bool:
        """Allow mail to an address again; return False when it was not suppressed."""
        key = address_key(address)

        async def attempt() -> bool | None:
            current = await self._stores.tables.suppression(address)
            if current is None:
                return False
            version = self._after(current.at_ms)
            await self._publish("suppressions", [(key, None)], version)
            return True if await self._stores.writes.delete_suppression(key, version) else None

        return await self._until_written(f"suppression:{key}", attempt)

    async def unsubscribe(self, key: str, type_name: str, by: str) -> Unsubscribe:
        """Stop a type's mail to the recipient of an `unsubscribe_key`; a repeated one keeps its first time."""

        async def attempt() -> Unsubscribe | None:
            current = await self._stores.tables.unsubscribed(key)
            if current is not None:
                return current
            row = Unsubscribe(id=key, type=type_name, by=by, version=self._clock.now_ms())
            await self._publish("unsubscribes", [(key, row_bytes(row))])
            return row if await self._stores.writes.put_unsubscribe(row) else None

        return await self._until_written(f"unsubscribe:{key}", attempt)

    async def read_unsubscribe(self, key: str) -> Unsubscribe | None:
        """Return the stored unsubscribe of an `unsubscribe_key`, or None."""
        return await self._stores.tables.unsubscribed(key)

    async def resubscribe(self, key: str) -> bool:
        """Allow a type's mail again; return False when there was no unsubscribe."""

        async def attempt() -> bool | None:
            current = await self._stores.tables.unsubscribed(key)
            if current is None:
                return False
            version = self._after(current.version)
            await self._publish("unsubscribes", [(key, None)], version)
            return True if await self._stores.writes.delete_unsubscribe(key, version) else None

        return await self._until_written(f"unsubscribe:{key}", attempt)

    async def read_group(self, external_id: str, project_id: str) -> Group:
        """Return the stored group; an empty one of version 0 where there is none."""
        rows = await self._stores.tables.lookup(LookupKeys(groups={GroupKey(external_id, project_id)}))
        absent = Group(external_id=external_id, project_id=project_id)
        return rows.groups.get(GroupKey(external_id, project_id), absent)

    async def read_recipient(self, recipient: str) -> Recipient | None:
        """Return the stored recipient with its preferences, or None."""
        return (await self._stores.tables.lookup(LookupKeys(recipients={recipient}))).recipients.get(
            recipient
        )

    async def read_account(self, account: str) -> Account | None:
        """Return the stored account, or None."""
        return await self._stores.accounts.get(account)

    async def read_contact(self, account: str, uuid: str) -> Contact | None:
        """Return a stored contact with its preferences, or None."""
        rows = await self._stores.tables.lookup(LookupKeys(contacts={ContactKey(account, uuid)}))
        return rows.contacts.get(ContactKey(account, uuid))

    async def _contacts_of(self, account: str, uuids: Sequence[str]) -> dict[str, Contact]:
        """Return those of the contacts that are stored."""
        found: dict[str, Contact] = {}
        for start in range(0, len(uuids), _SLICE):
            keys = {ContactKey(account, uuid) for uuid in uuids[start : start + _SLICE]}
            rows = await self._stores.tables.lookup(LookupKeys(contacts=keys))
            found.update((key.uuid, row) for key, row in rows.contacts.items())
        return found

    async def _put_contacts(self, rows: Sequence[Contact], floor: int) -> Sequence[Contact] | None:
        """Publish and store contacts with a version after `floor`; return None where a newer row is stored.

        In slices: thousands of rows at once would hold up every other task of the process.
        """
        version, written = self._after(floor), list[Contact]()
        for start in range(0, len(rows), _SLICE):
            part = [row.model_copy(update={"version": version}) for row in rows[start : start + _SLICE]]
            await self._publish(
                "contacts", [(str(ContactKey(row.account, row.uuid)), row_bytes(row)) for row in part]
            )
            if not all(await self._stores.put_contacts(part)):
                stored = await self._contacts_of(part[0].account, [row.uuid for row in part])
                if any(stored.get(row.uuid) != row for row in part):
                    return None
            written += part
            await asyncio.sleep(0)
        return written

    def _after(self, version: int) -> int:
        """Return the next version: the time in ms, or one more than `version` where the clock has not advanced."""
        return max(self._clock.now_ms(), version + 1)

    async def _publish(
        self, table: str, rows: Sequence[tuple[str, bytes | None]], version: int | None = None
    ) -> None:
        """Publish rows, or tombstones with the version in a header, since a tombstone has no value to hold it.

        Raise RowRefused before anything is published: a rebuild would drop a row that the topic's reader refuses.
        """
        headers = () if version is None else (("version", str(version).encode()),)
        topic = self._topics.table(table)
        values = [value for _, value in rows if value is not None]
        if len(values) == 1 and len(values[0]) > _MAX_INLINE_BYTES:  # the lists of a group: 11,000 addresses
            await asyncio.to_thread(_check, table, values[0])
        else:
            for value in values:
                _check(table, value)
        await self._publisher.publish([Message(topic, key.encode(), value, headers) for key, value in rows])

    async def _until_written(self, row: str, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Run `attempt` under the row's lock until it is not None: None means that a newer row was stored meanwhile."""
        # Lock before read, version and publish: a writer without it could take a lower version and publish last, and
        # the topic would then keep another row than Redis.
        async with self._locks.hold(row):
            try:
                async with asyncio.timeout(LONGEST_S):
                    for _ in range(_ATTEMPTS):
                        if (result := await attempt()) is not None:
                            return result
            except TimeoutError:
                raise Unavailable("writing the row took too long; retry later") from None
        raise Unavailable("the row is being changed too often by other writers; retry later")


def _check(table: str, value: bytes) -> None:
    if len(value) > _MAX_ROW_BYTES:
        raise RowTooLarge(f"a row of {table} is larger than {_MAX_ROW_BYTES} bytes")
    if table in ROW_MODELS:
        read_row(table, value)
