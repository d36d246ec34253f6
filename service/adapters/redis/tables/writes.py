"""Writes to the tables. A version never undoes a higher one; an equal one may be written again.

Versions are integers up to 2^53. A deletion leaves its version behind for 30 days.
"""

from collections.abc import Sequence

from service.adapters.redis.client import Plan, Script, Store, chunks
from service.adapters.redis.tables.rows import recipient_of, stands
from service.model.recipient import Contact, Group, Recipient, row_bytes
from service.model.suppression import Suppression
from service.model.unsubscribe import Unsubscribe

_PUT, _DELETE = Script("row_put"), Script("row_delete")
_PUT_CONTACTS, _DELETE_CONTACT = Script("contacts_put"), Script("contact_delete")
_GONE_S = 30 * 86_400
EVERYONE = ""
"""A role that no row names and that every recipient has: the index of the whole table."""


class RedisTableWrites:
    """The TableWrites port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows with their role index; False where a newer version stands."""
        answers = await self._put([self._store.keys.recipient(row.id) for row in rows], rows)
        gained: dict[str, list[str | int]] = {}
        lost: list[tuple[str, str]] = []
        for row, answer in zip(rows, answers, strict=True):
            if answer:
                for role in (EVERYONE, *row.roles):
                    gained.setdefault(role, []).extend((0, row.id))
                lost += ((role, row.id) for role in _roles(answer[1:]) - {EVERYONE, *row.roles})
        await self._store.pipeline(
            [("ZADD", self._store.keys.holders(role), *members) for role, members in gained.items()]
        )
        await self._drop_holders(lost)
        return [bool(answer) for answer in answers]

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        """Remove a row and its index entries; False where a newer version stands."""
        key = self._store.keys.recipient(recipient)
        (answer,) = await self._store.script(_DELETE, key, version, _GONE_S)
        await self._drop_holders([(role, recipient) for role in _roles(answer[1:])])
        return bool(answer)

    async def put_group(self, row: Group) -> bool:
        """Write a group's map; False where a newer version stands."""
        key = self._store.keys.group(row.external_id, row.project_id)
        return bool((await self._put([key], [row]))[0])

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        """Remove a group's map; False where a newer version stands."""
        key = self._store.keys.group(external_id, project_id)
        return bool((await self._store.script(_DELETE, key, version, _GONE_S))[0])

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write contacts with their preferences; False where a newer version stands."""
        plan = Plan(_PUT_CONTACTS, self._store.cluster)
        of_account: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            of_account.setdefault(row.account, []).append(i)
        for account, items in of_account.items():
            key = self._store.keys.contacts(account)
            for part in chunks(items):
                args = plan.place(key, part).args
                args.append(len(part))
                for i in part:
                    args += (rows[i].uuid, rows[i].version, row_bytes(rows[i]))
        return [bool(written) for written in (await self._store.run(plan))[0]]

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        """Remove a contact and its preferences; False where a newer version stands."""
        key = self._store.keys.contacts(account)
        (deleted,) = await self._store.script(_DELETE_CONTACT, key, uuid, version, _GONE_S)
        return bool(deleted)

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        """Stop mail to the address of this `address_key`; False where something newer stands."""
        name = self._store.keys.suppressed(key)
        return bool((await self._store.script(_PUT, name, row.at_ms, row.to_bytes()))[0])

    async def delete_suppression(self, key: str, version: int) -> bool:
        """Allow mail again; False where something newer stands."""
        name = self._store.keys.suppressed(key)
        return bool((await self._store.script(_DELETE, name, version, _GONE_S))[0])

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        """Stop a type's mail to a recipient; False where something newer stands."""
        key = self._store.keys.unsubscribed(row.id)
        return bool((await self._store.script(_PUT, key, row.version, row_bytes(row)))[0])

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        """Let it go out again; False where something newer stands."""
        name = self._store.keys.unsubscribed(key)
        return bool((await self._store.script(_DELETE, name, version, _GONE_S))[0])

    async def _put(self, keys: Sequence[str], rows: Sequence[Recipient | Group]) -> list[bytes]:
        """For each row b"" where a newer version stands, else b"+" and what stood there before."""
        plan = Plan(_PUT, self._store.cluster)
        for i, (key, row) in enumerate(zip(keys, rows, strict=True)):
            plan.place(key, (i,)).args += (row.version, row_bytes(row))
        return (await self._store.run(plan))[0]

    async def _drop_holders(self, lost: Sequence[tuple[str, str]]) -> None:
        """Take entries out of the role index, and put back those whose row was given the role meanwhile."""
        if not lost:
            return
        keys = self._store.keys
        await self._store.pipeline([("ZREM", keys.holders(role), recipient) for role, recipient in lost])
        rows, _ = await self._store.fetch([keys.recipient(recipient) for _, recipient in lost])
        await self._store.pipeline(
            [
                ("ZADD", keys.holders(role), 0, recipient)
                for (role, recipient), row in zip(lost, rows, strict=True)
                if row and role in _roles(row)
            ]
        )


def _roles(row: bytes) -> set[str]:
    return {EVERYONE, *recipient_of(row).roles} if row and stands(row) else set()
