"""Contacts: those that a batch wants, and pages of an account's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.adapters.redis.client import CHUNK, Plan, Script, Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.tables.rows import contact_of
from service.model.keys import ContactKey
from service.model.recipient import Contact
from service.ports import ContactPage, LookupKeys

_READ, _PAGE = Script("contacts_read"), Script("contacts_page")
_ACCOUNTS_A_CALL = 50  # an account may be large


class ContactsAsked:
    """The contacts of a batch as commands, which go into a pipeline; a script reads many accounts in one.

    Both ways to make sense of the replies take those to `commands`, in their order.
    """

    def __init__(self, store: Store, wanted: LookupKeys) -> None:
        self._accounts = list(wanted.accounts)
        of_account: dict[str, list[str]] = {}
        for account, uuid in wanted.contacts:
            of_account.setdefault(account, []).append(uuid)
        self._some = [
            (account, uuids[start : start + CHUNK])
            for account, uuids in of_account.items()
            for start in range(0, len(uuids), CHUNK)
        ]
        asks = [*((account, ()) for account in self._accounts), *self._some]
        self.plans: list[Plan] = []
        for start in range(0, len(asks), _ACCOUNTS_A_CALL):
            plan = Plan(_READ, store.cluster)
            for i, (account, uuids) in enumerate(asks[start : start + _ACCOUNTS_A_CALL]):
                plan.place(store.keys.contacts(account), (i,)).args += (len(uuids), *uuids)
            self.plans.append(plan)
        self.commands = [command for plan in self.plans for command in plan.commands()]

    def accounts(self, replies: Sequence[Any]) -> Mapping[str, Sequence[Contact]]:
        """The contacts of whole accounts, by uuid."""
        found = zip(self._accounts, self._answers(replies), strict=False)
        return {
            account: tuple(sorted(map(contact_of, rows), key=lambda contact: contact.uuid))
            for account, rows in found
            if rows
        }

    def contacts(self, replies: Sequence[Any]) -> Mapping[ContactKey, Contact]:
        """Those that were asked for one by one."""
        answers = list(self._answers(replies))[len(self._accounts) :]
        return {
            ContactKey(account, uuid): contact_of(row)
            for (account, uuids), rows in zip(self._some, answers, strict=True)
            for uuid, row in zip(uuids, rows, strict=True)
            if row is not None
        }

    def _answers(self, replies: Sequence[Any]) -> Iterator[list[bytes | None]]:
        rest = iter(replies)
        for plan in self.plans:
            yield from plan.answers([next(rest) for _ in plan.calls])


class RedisContacts:
    """The Contacts port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        """The main contact first, then by uuid; at most `limit`, 0 means all. Raises Unavailable."""
        key = self._store.keys.contacts(account)
        plan = Plan(_PAGE, self._store.cluster)
        plan.place(key, (0,)).args += (offset, offset + limit - 1 if limit else -1)
        mark = ("GET", self._store.marks.beside(key))
        (total, *rows), marked = await self._store.pipeline([*plan.commands(), mark], plan)
        require_complete([marked])
        return ContactPage(total, [contact_of(row) for row in rows if row is not None])
