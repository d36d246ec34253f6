"""Writes to the tables: decide → version → publish → store, in this order, under the row's lock.

The topic is written before Redis, so what was answered can be rebuilt. The lock keeps both in one order, and
the version keeps a feed that writes to the topic itself from undoing something newer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.model.access import Account, ApiKey
from service.model.ids import address_key
from service.model.keys import ContactKey, GroupKey
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient, row_bytes
from service.model.record import Message
from service.model.suppression import suppression
from service.model.topics import TopicNames
from service.model.unsubscribe import Unsubscribe
from service.pipeline.tables.schema import ROW_MODELS, RowRefused, read_row
from service.ports import (
    Accounts,
    ApiKeys,
    Clock,
    LookupKeys,
    Publisher,
    RowLocks,
    Tables,
    TableWrites,
    Unavailable,
)

T = TypeVar("T")
_ATTEMPTS = 8
_MAX_ROW = 1_000_000
LONGEST_S = 20.0
"""No write holds its lock longer, so a lock that ends by itself must live longer than this."""


class RowTooLarge(RowRefused):
    """A row that its topic would not take: Kafka's limit for a record is 1 MiB."""


@dataclass(frozen=True, slots=True)
class TableStores:
    """Where rows are kept."""

    tables: Tables
    writes: TableWrites
    accounts: Accounts
    api_keys: ApiKeys


class TableWriter:
    """Changes rows. Whatever a `change` raises passes through, with nothing written.

    Every method raises Unavailable; the change may then have been made or not, and may be asked for again. Those
    that write a row raise RowRefused, with nothing written.
    """

    def __init__(
        self, stores: TableStores, publisher: Publisher, locks: RowLocks, topics: TopicNames, clock: Clock
    ) -> None:
        self._stores = stores
        self._publisher = publisher
        self._locks = locks
        self._topics = topics
        self._clock = clock

    async def group(self, external_id: str, project_id: str, change: Callable[[Group], Group]) -> Group:
        """Change a group's map; one that is not there is empty."""
        key = GroupKey(external_id, project_id)

        async def attempt() -> Group | None:
            standing = await self.read_group(external_id, project_id)
            row = change(standing)
            if row == standing:
                return standing
            row = row.model_copy(update={"version": self._after(standing.version)})
            await self._publish("groups", [(str(key), row_bytes(row))])
            written = await self._stores.writes.put_group(row)
            return row if written or row == await self.read_group(external_id, project_id) else None

        return await self._until_written(f"group:{key}", attempt)

    async def recipient(self, recipient: str, change: Callable[[Recipient | None], Recipient]) -> Recipient:
        """Change a recipient, or make one where `change` is given None."""

        async def attempt() -> Recipient | None:
            standing = await self.read_recipient(recipient)
            row = change(standing)
            if row == standing:
                return standing
            row = row.model_copy(update={"version": self._after(standing.version if standing else 0)})
            await self._publish("recipients", [(recipient, row_bytes(row))])
            written = all(await self._stores.writes.put_recipients([row]))
            return row if written or row == await self.read_recipient(recipient) else None

        return await self._until_written(f"recipient:{recipient}", attempt)

    async def drop_recipient(self, recipient: str) -> bool:
        """Delete a recipient; False when there is none."""

        async def attempt() -> bool | None:
            standing = await self.read_recipient(recipient)
            if standing is None:
                return False
            version = self._after(standing.version)
            await self._publish("recipients", [(recipient, None)], version)
            gone = await self._stores.writes.delete_recipient(recipient, version)
            return True if gone or await self.read_recipient(recipient) is None else None

        return await self._until_written(f"recipient:{recipient}", attempt)

    async def contacts(
        self, account: str, change: Callable[[Sequence[Contact]], Sequence[Contact]]
    ) -> Sequence[Contact]:
        """Write the contacts that `change` makes of those that stand.

        The lock is the account's: there is one main contact.
        """

        async def attempt() -> Sequence[Contact] | None:
            standing = {contact.uuid: contact for contact in await self.read_contacts(account)}
            asked = change(list(standing.values()))
            rows = [row for row in asked if row != standing.get(row.uuid)]
            floor = max((standing[row.uuid].version for row in rows if row.uuid in standing), default=0)
            rows = [row.model_copy(update={"version": self._after(floor)}) for row in rows]
            if rows:
                await self._publish(
                    "contacts", [(str(ContactKey(account, row.uuid)), row_bytes(row)) for row in rows]
                )
                if not all(await self._stores.writes.put_contacts(rows)) and not await self._stand(
                    account, rows
                ):
                    return None
            written = {row.uuid: row for row in rows}
            return [written.get(row.uuid, row) for row in asked]

        return await self._until_written(f"account:{account}", attempt)

    async def drop_contact(self, account: str, choose: Callable[[Sequence[Contact]], Contact]) -> None:
        """Delete the contact that `choose` picks, and with it its preferences."""

        async def attempt() -> bool | None:
            row = choose(await self.read_contacts(account))
            version = self._after(row.version)
            await self._publish("contacts", [(str(ContactKey(account, row.uuid)), None)], version)
            gone = await self._stores.writes.delete_contact(account, row.uuid, version)
            return True if gone or await self.read_contact(account, row.uuid) is None else None

        await self._until_written(f"account:{account}", attempt)

    async def account(self, account: str, credential: str) -> Account:
        """Set an account's credential hash."""

        async def attempt() -> Account | None:
            standing = await self._stores.accounts.get(account)
            version = self._after(standing.version if standing else 0)
            row = Account(id=account, credential=credential, version=version)
            await self._publish("accounts", [(account, row_bytes(row))])
            written = await self._stores.accounts.put(row)
            return row if written or row == await self._stores.accounts.get(account) else None

        return await self._until_written(f"credential:{account}", attempt)

    async def api_key(self, key: str, change: Callable[[ApiKey | None], ApiKey]) -> ApiKey:
        """Change an API key, or make one where `change` is given None."""

        async def attempt() -> ApiKey | None:
            standing = await self._stores.api_keys.get(key)
            row = change(standing)
            row = row.model_copy(update={"version": self._after(standing.version if standing else 0)})
            await self._publish("api-keys", [(key, row_bytes(row))])
            written = await self._stores.api_keys.put(row)
            return row if written or row == await self._stores.api_keys.get(key) else None

        return await self._until_written(f"key:{key}", attempt)

    async def suppress(self, address: str, reason: Reason, detail: str = "") -> None:
        """Stop mail to an address."""
        key, row = suppression(address, reason, self._clock.now_ms(), detail)

        async def attempt() -> bool:
            await self._publish("suppressions", [(key, row.to_bytes())])
            await self._stores.writes.put_suppression(key, row)
            return True

        await self._until_written(f"suppression:{key}", attempt)

    async def unsuppress(self, address: str) -> bool:
        """Allow mail to an address again; False when it was not stopped."""
        key = address_key(address)

        async def attempt() -> bool | None:
            standing = await self._stores.tables.suppression(address)
            if standing is None:
                return False
            version = self._after(standing.at_ms)
            await self._publish("suppressions", [(key, None)], version)
            return True if await self._stores.writes.delete_suppression(key, version) else None

        return await self._until_written(f"suppression:{key}", attempt)

    async def unsubscribe(self, key: str, type_name: str, by: str) -> Unsubscribe:
        """Stop a type's mail to the recipient of an `unsubscribe_key`. Done again, it keeps its first time."""

        async def attempt() -> Unsubscribe | None:
            standing = await self._stores.tables.unsubscribed(key)
            if standing is not None:
                return standing
            row = Unsubscribe(id=key, type=type_name, by=by, version=self._clock.now_ms())
            await self._publish("unsubscribes", [(key, row_bytes(row))])
            return row if await self._stores.writes.put_unsubscribe(row) else None

        return await self._until_written(f"unsubscribe:{key}", attempt)

    async def read_unsubscribe(self, key: str) -> Unsubscribe | None:
        """The unsubscribe of a key as it stands."""
        return await self._stores.tables.unsubscribed(key)

    async def resubscribe(self, key: str) -> bool:
        """Let it go out again; False when it was not stopped."""

        async def attempt() -> bool | None:
            standing = await self._stores.tables.unsubscribed(key)
            if standing is None:
                return False
            version = self._after(standing.version)
            await self._publish("unsubscribes", [(key, None)], version)
            return True if await self._stores.writes.delete_unsubscribe(key, version) else None

        return await self._until_written(f"unsubscribe:{key}", attempt)

    async def read_group(self, external_id: str, project_id: str) -> Group:
        """The group as it stands; an empty one of version 0 where there is none."""
        rows = await self._stores.tables.lookup(LookupKeys(groups={GroupKey(external_id, project_id)}))
        absent = Group(external_id=external_id, project_id=project_id)
        return rows.groups.get(GroupKey(external_id, project_id), absent)

    async def read_recipient(self, recipient: str) -> Recipient | None:
        """The recipient as it stands."""
        return (await self._stores.tables.lookup(LookupKeys(recipients={recipient}))).recipients.get(
            recipient
        )

    async def read_contacts(self, account: str) -> Sequence[Contact]:
        """The contacts of an account: the main one first, then by uuid."""
        rows = await self._stores.tables.lookup(LookupKeys(accounts={account}))
        return sorted(rows.accounts.get(account, ()), key=lambda contact: (not contact.main, contact.uuid))

    async def read_contact(self, account: str, uuid: str) -> Contact | None:
        """One contact as it stands."""
        rows = await self._stores.tables.lookup(LookupKeys(contacts={ContactKey(account, uuid)}))
        return rows.contacts.get(ContactKey(account, uuid))

    async def _stand(self, account: str, rows: Sequence[Contact]) -> bool:
        standing = await self.read_contacts(account)
        return all(row in standing for row in rows)

    def _after(self, version: int) -> int:
        """Milliseconds, so that writers' versions compare; one more where the clock stood or went back."""
        return max(self._clock.now_ms(), version + 1)

    async def _publish(
        self, table: str, rows: Sequence[tuple[str, bytes | None]], version: int | None = None
    ) -> None:
        headers = (
            () if version is None else (("version", str(version).encode()),)
        )  # a tombstone has no value to hold it
        topic = self._topics.table(table)
        for _, value in rows:
            if value is not None:
                _check(table, value)
        await self._publisher.publish([Message(topic, key.encode(), value, headers) for key, value in rows])

    async def _until_written(self, row: str, attempt: Callable[[], Awaitable[T | None]]) -> T:
        async with self._locks.hold(row):
            try:
                async with asyncio.timeout(LONGEST_S):
                    for _ in range(_ATTEMPTS):
                        if (answer := await attempt()) is not None:
                            return answer
            except TimeoutError:
                raise Unavailable("writing a row took too long") from None
        raise Unavailable("a row is changed too often to change it too")


def _check(table: str, value: bytes) -> None:
    if len(value) > _MAX_ROW:
        raise RowTooLarge(f"a row of {table} is larger than {_MAX_ROW} bytes")
    if table in ROW_MODELS:
        read_row(table, value)
