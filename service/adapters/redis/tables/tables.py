"""The tables, read in batches: one pipeline for all that a batch needs."""

from collections.abc import Sequence

from service.adapters.redis.client import Command, Store
from service.adapters.redis.completeness import YES, require_complete, why_incomplete
from service.adapters.redis.tables.contacts import ContactsAsked
from service.adapters.redis.tables.rows import group_of, recipient_of, stands
from service.model.ids import address_key
from service.model.recipient import Recipient
from service.model.suppression import Suppression
from service.model.unsubscribe import Unsubscribe
from service.ports import LookupKeys, MailBlock, RolePage, Rows

_PAGE = 1000
_MARKS_A_CALL = 1000
_NOTHING = MailBlock()


class RedisTables:
    """The Tables port. Reads raise Unavailable until all is marked complete: an empty table says nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lookup(self, wanted: LookupKeys) -> Rows:
        """All wanted rows in one pipeline, two with roles. Raises Unavailable, also while incomplete."""
        keys, ids = self._store.keys, list(wanted.recipients)
        groups, roles = list(wanted.groups), list(wanted.roles)
        contacts = ContactsAsked(self._store, wanted)
        strings, replies = await self._store.fetch(
            [*(keys.recipient(i) for i in ids), *(keys.group(*g) for g in groups)],
            *contacts.commands,
            *(self._holders(role, "", _PAGE) for role in roles),
            *self._marks(),
            plans=contacts.plans,
        )
        first = len(contacts.commands)
        asked = first + len(roles)
        require_complete(replies[asked:])
        found = strings[: len(ids)]
        return Rows(
            recipients={
                i: recipient_of(row) for i, row in zip(ids, found, strict=True) if row and stands(row)
            },
            groups={
                g: group_of(row)
                for g, row in zip(groups, strings[len(ids) :], strict=True)
                if row and stands(row)
            },
            accounts=contacts.accounts(replies[:first]),
            roles=await self._pages(roles, replies[first:asked]),
            contacts=contacts.contacts(replies[:first]),
        )

    async def role(self, role: str, cursor: str, limit: int = _PAGE) -> RolePage:
        """The holders of a role after `cursor`, in id order."""
        names, *marks = await self._store.pipeline([self._holders(role, cursor, limit), *self._marks()])
        require_complete(marks)
        return (await self._pages([role], [names], limit))[role]

    async def blocks(self, asked: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        """For each (address, unsubscribe key) what bars it, in one pipeline."""
        keys = self._store.keys
        rows, marks = await self._store.fetch(
            [
                *(keys.suppressed(address_key(address)) for address, _ in asked),
                *(keys.unsubscribed(key) for _, key in asked),
            ],
            *self._marks(),
        )
        require_complete(marks)
        pairs = zip(rows[: len(asked)], rows[len(asked) :], strict=True)
        return [
            _NOTHING if first is None and second is None else _bar(first, second) for first, second in pairs
        ]

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """The unsubscribe of this `unsubscribe_key`."""
        (row,), _ = await self._store.fetch([self._store.keys.unsubscribed(key)])
        return Unsubscribe.model_validate_json(row) if row is not None and stands(row) else None

    async def suppression(self, address: str) -> Suppression | None:
        """Why and since when an address is not mailed."""
        (row,), _ = await self._store.fetch([self._store.keys.suppressed(address_key(address))])
        if row is None or not stands(row):
            return None
        return Suppression.from_bytes(row)

    async def incomplete(self) -> str | None:
        """Why nothing may be sent yet; None when the tables are known to be complete."""
        return why_incomplete(await self._store.pipeline(self._marks()))

    async def unmarked(self) -> bool:
        """Whether no mark is there at all: a new Redis, or one that was emptied."""
        return not any(await self._store.pipeline(self._marks()))

    async def mark_complete(self) -> None:
        """Say that Redis holds everything."""
        await self._mark(YES)

    async def mark_incomplete(self, reason: str) -> None:
        """Stop all sending; `reason` is shown in readiness."""
        await self._mark(f"no {reason}".encode())

    async def _mark(self, value: bytes) -> None:
        every = self._store.marks.every()
        for start in range(0, len(every), _MARKS_A_CALL):
            part = every[start : start + _MARKS_A_CALL]
            await self._store.pipeline([("SET", mark, value) for mark in part])

    def _marks(self) -> list[Command]:
        """Reads the marks; goes last in a pipeline, so that they vouch for all that was read before them."""
        return [("GET", mark) for mark in self._store.marks.probes()]

    def _holders(self, role: str, cursor: str, limit: int) -> Command:
        after = f"({cursor}" if cursor else "-"
        return ("ZRANGEBYLEX", self._store.keys.holders(role), after, "+", "LIMIT", 0, limit + 1)

    async def _pages(
        self, roles: Sequence[str], replies: Sequence[list[bytes]], limit: int = _PAGE
    ) -> dict[str, RolePage]:
        """The rows of these holders; who has lost the role meanwhile is left out."""
        ids = [[name.decode() for name in names] for names in replies]
        every = list(dict.fromkeys(i for names in ids for i in names[:limit]))
        if not every:
            return {role: RolePage((), None) for role in roles}
        rows, marks = await self._store.fetch([self._store.keys.recipient(i) for i in every], *self._marks())
        require_complete(marks)
        people: dict[str, Recipient] = {
            i: recipient_of(row) for i, row in zip(every, rows, strict=True) if row and stands(row)
        }
        return {
            role: RolePage(
                tuple(p for i in names[:limit] if (p := people.get(i)) is not None and role in p.roles),
                names[limit - 1] if len(names) > limit else None,
            )
            for role, names in zip(roles, ids, strict=True)
        }


def _bar(suppressed: bytes | None, unsubscribed: bytes | None) -> MailBlock:
    return MailBlock(
        Suppression.from_bytes(suppressed) if suppressed is not None and stands(suppressed) else None,
        Unsubscribe.model_validate_json(unsubscribed).choice()
        if unsubscribed is not None and stands(unsubscribed)
        else None,
    )
