"""Contacts: those that a batch looks up, and pages of an account's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import require_complete
from service.adapters.redis.script_batch import CHUNK, Script, ScriptBatch
from service.adapters.redis.tables.rows import contact_of
from service.adapters.redis.unreadable_rows import readable
from service.model.keys import ContactKey
from service.model.recipient import Contact
from service.ports import AccountPage, ContactPage, LookupKeys

_READ, _READ_PAGE = Script("contacts_read"), Script("row_functions", "contacts_read_page")
_READ_AFTER = Script("row_functions", "contacts_read_after")
_ACCOUNTS_A_CALL = 50  # an account may be large
_ROWS_A_CALL = 500  # neither the server nor this process does anything else meanwhile


class ContactLookup:
    """The lookup of a batch's contacts as commands, which go into a pipeline; one script call reads many accounts.

    `contacts` takes the replies to `commands`, in their order.
    """

    def __init__(self, store: Store, keys: LookupKeys) -> None:
        by_account: dict[str, list[str]] = {}
        for account, uuid in keys.contacts:
            by_account.setdefault(account, []).append(uuid)
        self._reads = [
            (account, uuids[start : start + CHUNK])
            for account, uuids in by_account.items()
            for start in range(0, len(uuids), CHUNK)
        ]
        self.batches: list[ScriptBatch] = []
        for start in range(0, len(self._reads), _ACCOUNTS_A_CALL):
            batch = ScriptBatch(_READ, store.cluster)
            for i, (account, uuids) in enumerate(self._reads[start : start + _ACCOUNTS_A_CALL]):
                batch.add_key(store.keys.contacts(account), (i,)).args += (len(uuids), *uuids)
            self.batches.append(batch)
        self.commands = [command for batch in self.batches for command in batch.commands()]

    def contacts(self, replies: Sequence[Any]) -> Mapping[ContactKey, Contact]:
        """Return the contacts that were looked up by their keys."""
        return {
            ContactKey(account, uuid): contact
            for (account, uuids), rows in zip(self._reads, self._results(replies), strict=True)
            for uuid, row in zip(uuids, rows, strict=True)
            if row is not None and (contact := readable("contacts", contact_of, row))
        }

    def _results(self, replies: Sequence[Any]) -> Iterator[list[bytes | None]]:
        rest = iter(replies)
        for batch in self.batches:
            yield from batch.results([next(rest) for _ in batch.calls])


class RedisContacts:
    """Implements the Contacts port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, account: str, offset: int, limit: int) -> ContactPage:
        """Return contacts, the main one first, then by uuid; at most `limit`, 0 means all. Raise Unavailable."""
        key = self._store.keys.contacts(account)
        batch = ScriptBatch(_READ_PAGE, self._store.cluster)
        batch.add_key(key, (0,)).args += (offset, offset + limit - 1 if limit else -1)
        # the mark is read after the rows: if it is still there, no row was lost before
        read_mark = ("GET", self._store.completeness_marks.mark_for(key))
        (total, *uuids), mark = await self._store.pipeline([*batch.commands(), read_mark], batch)
        require_complete([mark])
        found: list[Contact] = []
        for start in range(0, len(uuids), _ROWS_A_CALL):
            part = uuids[start : start + _ROWS_A_CALL]
            rows, mark = await self._store.pipeline([("HMGET", key, *part), read_mark])
            require_complete([mark])
            found += _readable_contacts(rows)
        return ContactPage(total, found)


class AccountRead:
    """The read of a page of an account's contacts after a cursor, in order; `SCORE:UUID`, empty for the beginning.

    The order is that of the uuids, not of a scan: a cursor means the same on every server, and after a restart.
    """

    def __init__(self, store: Store, account: str, cursor: str, limit: int) -> None:
        self.batch = ScriptBatch(_READ_AFTER, store.cluster)
        score, _, uuid = cursor.partition(":")
        args = (limit, score, uuid) if cursor else (limit,)
        self.batch.add_key(store.keys.contacts(account), (0,)).args += args

    @staticmethod
    def page(reply: Sequence[bytes]) -> AccountPage:
        """Return the page in the reply to the batch's command."""
        score, uuid, *rows = reply
        cursor = f"{score.decode()}:{uuid.decode()}" if uuid else None
        return AccountPage(_readable_contacts(rows), cursor)


def whole_account_of(reply: tuple[int, Mapping[bytes, bytes]]) -> AccountPage | None:
    """Return all contacts of an account from a reply to HSCAN; None where there are more, which come in no order."""
    cursor, rows = reply
    if int(cursor):
        return None
    return AccountPage(sorted(_readable_contacts(rows.values()), key=lambda contact: contact.uuid), None)


def _readable_contacts(rows: Iterable[bytes | None]) -> list[Contact]:
    stored = (row for row in rows if row is not None)
    return [contact for row in stored if (contact := readable("contacts", contact_of, row))]
