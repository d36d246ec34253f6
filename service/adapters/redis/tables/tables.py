"""The tables, read in batches: one pipeline for all that a batch needs."""

from collections.abc import Sequence
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import YES, require_complete, why_incomplete
from service.adapters.redis.script_batch import Command
from service.adapters.redis.tables.contacts import AccountRead, ContactLookup, whole_account_of
from service.adapters.redis.tables.rows import (
    account_hours,
    group_of,
    is_current,
    recipient_of,
    rows_by_key,
    suppression_of,
)
from service.adapters.redis.unreadable_rows import readable
from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.ids import address_key
from service.ports import ABSENT, AccountPage, LookupKeys, MailBlock, RolePage, Rows, Unavailable

_PAGE = 1000
_MARKS_A_CALL = 1000
_NO_BLOCK = MailBlock()


class RedisTables:
    """Implements the Tables and Completeness ports.

    Reads raise Unavailable until Redis is marked complete: an absent row of an incomplete table means nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lookup(self, keys: LookupKeys) -> Rows:
        """Return the rows in one pipeline, two with roles, and one for each account of over a thousand contacts.

        Raise Unavailable, also while Redis is incomplete.
        """
        names, ids = self._store.keys, list(keys.recipients)
        groups, roles, accounts = list(keys.groups), list(keys.roles), list(keys.account_pages)
        contacts = ContactLookup(self._store, keys)
        owners = list({account for account, _ in keys.contacts})
        strings, replies = await self._store.fetch(
            [
                *(names.recipient(i) for i in ids),
                *(names.group(*group) for group in groups),
                *(names.credential(account) for account in owners),
            ],
            *contacts.commands,
            *(self._role_members(role, "", _PAGE) for role in roles),
            *(("HSCAN", names.contacts(account), 0, "COUNT", _PAGE) for account in accounts),
            *self._read_marks(),
            batches=contacts.batches,
        )
        roles_start = len(contacts.commands)
        accounts_start = roles_start + len(roles)
        marks_start = accounts_start + len(accounts)
        require_complete(replies[marks_start:])
        groups_end = len(ids) + len(groups)
        quiet_hours = {
            account: hours
            for account, row in zip(owners, strings[groups_end:], strict=True)
            if (hours := account_hours(row)) is not None
        }
        return Rows(
            recipients=rows_by_key("recipients", recipient_of, ids, strings[: len(ids)]),
            groups=rows_by_key("groups", group_of, groups, strings[len(ids) : groups_end]),
            roles=await self._pages(roles, replies[roles_start:accounts_start]),
            contacts=contacts.contacts(replies[:roles_start]),
            account_pages={
                account: whole_account_of(reply) or await self.account(account, "")
                for account, reply in zip(accounts, replies[accounts_start:marks_start], strict=True)
            },
            quiet_hours=quiet_hours,
        )

    async def role(self, role: str, cursor: str, limit: int = _PAGE) -> RolePage:
        """Return the holders of a role after `cursor`, in id order."""
        ids, *marks = await self._store.pipeline(
            [self._role_members(role, cursor, limit), *self._read_marks()]
        )
        require_complete(marks)
        return (await self._pages([role], [ids], limit))[role]

    async def account(self, account: str, cursor: str, limit: int = _PAGE) -> AccountPage:
        """Return contacts of an account after `cursor`, at most `limit`, the main one first, then by uuid."""
        read = AccountRead(self._store, account, cursor, limit)
        reply, *marks = await self._store.pipeline([*read.batch.commands(), *self._read_marks()], read.batch)
        require_complete(marks)
        return read.page(reply)

    async def blocks(self, queries: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        """Return what blocks each (address, unsubscribe key), in one pipeline."""
        keys = self._store.keys
        rows, marks = await self._store.fetch(
            [
                *(keys.suppressed(address_key(address)) for address, _ in queries),
                *(keys.unsubscribed(key) for _, key in queries),
            ],
            *self._read_marks(),
        )
        require_complete(marks)
        pairs = zip(rows[: len(queries)], rows[len(queries) :], strict=True)
        return [
            _NO_BLOCK if suppressed is None and unsubscribed is None else _block(suppressed, unsubscribed)
            for suppressed, unsubscribed in pairs
        ]

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """Return the unsubscribe with an `unsubscribe_key`; None where there is none."""
        (row,), _ = await self._store.fetch([self._store.keys.unsubscribed(key)])
        return readable("unsubscribes", Unsubscribe.model_validate_json, row) if is_current(row) else None

    async def suppression(self, address: str) -> Suppression | None:
        """Return the suppression of an address; None where there is none."""
        (row,), _ = await self._store.fetch([self._store.keys.suppressed(address_key(address))])
        return suppression_of(row) if is_current(row) else None

    async def incomplete(self) -> str | None:
        """Return why nothing may be sent yet; None when Redis is known to be complete."""
        return why_incomplete(await self._store.pipeline(self._read_marks()))

    async def mark_complete(self) -> None:
        """Change every mark to complete. Raise Unavailable where one is absent: data were lost since it was set."""
        # XX: a server that was emptied meanwhile has no mark, and gets none.
        if not all(await self._mark(YES, "XX")):
            raise Unavailable(ABSENT)

    async def mark_incomplete(self, reason: str) -> None:
        """Mark Redis as incomplete, which stops all sending; readiness shows `reason`."""
        await self._mark(f"no {reason}".encode())

    async def _mark(self, value: bytes, *options: str) -> Sequence[Any]:
        marks = self._store.completeness_marks.all()
        replies: list[Any] = []
        for start in range(0, len(marks), _MARKS_A_CALL):
            part = marks[start : start + _MARKS_A_CALL]
            replies += await self._store.pipeline([("SET", mark, value, *options) for mark in part])
        return replies

    def _read_marks(self) -> list[Command]:
        """Return the commands that read the marks. They go last in a pipeline, to vouch for all reads before them."""
        return [("GET", mark) for mark in self._store.completeness_marks.sample()]

    def _role_members(self, role: str, cursor: str, limit: int) -> Command:
        after = f"({cursor}" if cursor else "-"
        return ("ZRANGEBYLEX", self._store.keys.role_members(role), after, "+", "LIMIT", 0, limit + 1)

    async def _pages(
        self, roles: Sequence[str], replies: Sequence[list[bytes]], limit: int = _PAGE
    ) -> dict[str, RolePage]:
        """Return the rows of these role members, without those that have lost the role meanwhile."""
        ids_of_roles = [[i.decode() for i in ids] for ids in replies]
        every = list(dict.fromkeys(i for ids in ids_of_roles for i in ids[:limit]))
        if not every:
            return {role: RolePage((), None) for role in roles}
        rows, marks = await self._store.fetch(
            [self._store.keys.recipient(i) for i in every], *self._read_marks()
        )
        require_complete(marks)
        recipients = rows_by_key("recipients", recipient_of, every, rows)
        return {
            role: RolePage(
                tuple(
                    recipient
                    for i in ids[:limit]
                    if (recipient := recipients.get(i)) is not None and role in recipient.roles
                ),
                ids[limit - 1] if len(ids) > limit else None,
            )
            for role, ids in zip(roles, ids_of_roles, strict=True)
        }


def _block(suppressed: bytes | None, unsubscribed: bytes | None) -> MailBlock:
    return MailBlock(
        suppression_of(suppressed) if is_current(suppressed) else None,
        _unsubscribe(unsubscribed).choice() if is_current(unsubscribed) else None,
    )


def _unsubscribe(row: bytes) -> Unsubscribe:
    """Return an unsubscribe; one without its time and origin for a row that cannot be read, which blocks mail too."""
    unread = Unsubscribe(id="0" * 24, type="")
    return readable("unsubscribes", Unsubscribe.model_validate_json, row) or unread
