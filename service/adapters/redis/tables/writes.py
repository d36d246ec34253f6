"""Writes to the tables. A lower version never replaces a higher one; an equal one may be written again.

Versions are integers up to 2^53. A deletion leaves a tombstone with its version for 30 days.
"""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import ScriptBatch
from service.adapters.redis.tables.row_scripts import (
    DELETE_IN_HASH,
    DELETE_ROW,
    PUT_IN_HASH,
    PUT_ROW,
    TOMBSTONE_S,
)
from service.adapters.redis.tables.rows import is_current, recipient_of
from service.adapters.redis.unreadable_rows import readable
from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.recipient import Contact, Group, Recipient, row_bytes

ALL_RECIPIENTS = ""
"""The empty role, which no row names and every recipient has: the index of the whole table."""


class RedisTableWrites:
    """Implements the TableWrites port. Every method returns, for each row, False where a newer version is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_recipients(self, rows: Sequence[Recipient]) -> Sequence[bool]:
        """Write rows with their role index."""
        # the rows before the index: a role page checks the roles of each row, so an index entry too many does no harm
        answers = await self._put([self._store.keys.recipient(row.id) for row in rows], rows)
        gained: dict[str, list[str | int]] = {}
        lost: list[tuple[str, str]] = []
        for row, answer in zip(rows, answers, strict=True):
            if answer:
                for role in (ALL_RECIPIENTS, *row.roles):
                    gained.setdefault(role, []).extend((0, row.id))
                lost += ((role, row.id) for role in _roles(answer[1:]) - {ALL_RECIPIENTS, *row.roles})
        await self._store.pipeline(
            [("ZADD", self._store.keys.role_members(role), *members) for role, members in gained.items()]
        )
        await self._remove_roles(lost)
        return [bool(answer) for answer in answers]

    async def delete_recipient(self, recipient: str, version: int) -> bool:
        """Delete a row and its index entries."""
        key = self._store.keys.recipient(recipient)
        (answer,) = await self._store.run_script(DELETE_ROW, key, version, TOMBSTONE_S)
        await self._remove_roles([(role, recipient) for role in _roles(answer[1:])])
        return bool(answer)

    async def put_group(self, row: Group) -> bool:
        """Write a group's lists of addresses."""
        key = self._store.keys.group(row.external_id, row.project_id)
        return bool((await self._put([key], [row]))[0])

    async def delete_group(self, external_id: str, project_id: str, version: int) -> bool:
        """Delete a group's lists of addresses."""
        key = self._store.keys.group(external_id, project_id)
        return bool((await self._store.run_script(DELETE_ROW, key, version, TOMBSTONE_S))[0])

    async def put_contacts(self, rows: Sequence[Contact]) -> Sequence[bool]:
        """Write contacts with their preferences."""
        batch = ScriptBatch(PUT_IN_HASH, self._store.cluster)
        for i, args in batch.grouped((row.account for row in rows), self._store.keys.contacts):
            args.extend((rows[i].uuid, rows[i].version, row_bytes(rows[i])))
        return [bool(written) for written in (await self._store.run(batch))[0]]

    async def delete_contact(self, account: str, uuid: str, version: int) -> bool:
        """Delete a contact and its preferences."""
        key = self._store.keys.contacts(account)
        (deleted,) = await self._store.run_script(DELETE_IN_HASH, key, uuid, version, TOMBSTONE_S)
        return bool(deleted)

    async def put_suppression(self, key: str, row: Suppression) -> bool:
        """Block mail to the address of an `address_key`; the row's time is its version."""
        name = self._store.keys.suppressed(key)
        return bool((await self._store.run_script(PUT_ROW, name, row.at_ms, row.to_bytes()))[0])

    async def delete_suppression(self, key: str, version: int) -> bool:
        """Delete a suppression, so that the address is mailed again."""
        name = self._store.keys.suppressed(key)
        return bool((await self._store.run_script(DELETE_ROW, name, version, TOMBSTONE_S))[0])

    async def put_unsubscribe(self, row: Unsubscribe) -> bool:
        """Block a type's mail to a recipient."""
        key = self._store.keys.unsubscribed(row.id)
        return bool((await self._store.run_script(PUT_ROW, key, row.version, row_bytes(row)))[0])

    async def delete_unsubscribe(self, key: str, version: int) -> bool:
        """Delete an unsubscribe, so that the type is mailed again."""
        name = self._store.keys.unsubscribed(key)
        return bool((await self._store.run_script(DELETE_ROW, name, version, TOMBSTONE_S))[0])

    async def _put(self, keys: Sequence[str], rows: Sequence[Recipient | Group]) -> list[bytes]:
        """Return for each row b"" where a newer version is stored, else b"+" and what was stored before."""
        batch = ScriptBatch(PUT_ROW, self._store.cluster)
        for i, (key, row) in enumerate(zip(keys, rows, strict=True)):
            batch.add_key(key, (i,)).args += (row.version, row_bytes(row))
        return (await self._store.run(batch))[0]

    async def _remove_roles(self, lost: Sequence[tuple[str, str]]) -> None:
        """Remove entries (role, recipient) from the role index, and restore those whose row has the role by now."""
        if not lost:
            return
        keys = self._store.keys
        # remove, then read: a row that gets the role again meanwhile is seen here, or adds its entry after the removal
        await self._store.pipeline([("ZREM", keys.role_members(role), recipient) for role, recipient in lost])
        rows, _ = await self._store.fetch([keys.recipient(recipient) for _, recipient in lost])
        await self._store.pipeline(
            [
                ("ZADD", keys.role_members(role), 0, recipient)
                for (role, recipient), row in zip(lost, rows, strict=True)
                if row and role in _roles(row)
            ]
        )


def _roles(row: bytes) -> set[str]:
    recipient = readable("recipients", recipient_of, row) if row and is_current(row) else None
    return {ALL_RECIPIENTS, *recipient.roles} if recipient else set()
