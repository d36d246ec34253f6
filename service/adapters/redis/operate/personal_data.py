"""The data of a person outside the tables: to export it, and to erase it."""

from collections.abc import Mapping, Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.ledger.places import by_event
from service.adapters.redis.ledger.texts import text_bytes
from service.adapters.redis.script_batch import CHUNK, Script, chunks
from service.model.delivery import Delivery
from service.ports import Clock, InboxItem, InboxQuery, ReadFilter

_ANONYMISE = Script("ledger_functions", "ledger_anonymise")
_INBOX_SUFFIXES = ("", ":unread", ":read", ":counts", ":seen", ":changes")
_ALL = 1_000_000


class RedisPersonalData:
    """Implements the PersonalData port."""

    def __init__(self, store: Store, ledger: RedisLedger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._reads = RedisInboxReads(store, clock)
        self._windows = RedisDigestWindows(store)

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        """Return (event, delivery) of everything that the ledger's index has of a recipient, newest first."""
        return await self._ledger.recipient_entries(recipient, 0, _ALL)

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        """Return the whole inbox, read and unread entries, oldest first."""
        items: list[InboxItem] = []
        query = InboxQuery(recipient, ReadFilter.all, limit=CHUNK)
        while True:
            page = await self._reads.page(query)
            items += page.items
            if not page.cursor:
                return items
            query = InboxQuery(recipient, ReadFilter.all, limit=CHUNK, after=page.cursor)

    async def digests(self, recipient: str) -> Mapping[str, Sequence[Delivery]]:
        """Return the items of the digests that a recipient's notifications wait for, by the digest's delivery id."""
        (names,) = await self._store.pipeline([("HKEYS", self._store.keys.digests(recipient))])
        digests = [name.decode() for name in names]
        contents = await self._windows.content([(recipient, digest) for digest in digests])
        return {digest: content.items for digest, content in zip(digests, contents, strict=True) if content}

    async def mails(self, recipient: str) -> Mapping[str, int]:
        """Return when the mails of a recipient were counted for the limits of an hour and a day (ms), by delivery."""
        rows = await self._store.pipeline(
            [("ZRANGE", name, 0, -1, "WITHSCORES") for name in await self._scopes(recipient)]
        )
        return {delivery.hex(): int(at_ms) for of_scope in rows for delivery, at_ms in of_scope}

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        """Replace the recipient of deliveries by `stand_in` and delete their details, keeping their states.

        Return how many deliveries there were.
        """
        anonymised, recipient = 0, text_bytes(stand_in)
        for event, items in by_event(event for event, _ in deliveries).items():
            place = self._ledger.place(event)
            for part in chunks(items):
                rows = [place.row(deliveries[i][1]) for i in part]
                anonymised += (
                    await self._store.run_script(_ANONYMISE, place.shard, place.head, recipient, *rows)
                )[0]
        return anonymised

    async def forget(self, recipient: str) -> None:
        """Delete a recipient's inbox with its change stream and ids of dropped entries, and the ledger's index.

        And digests with their items, counted mails, and the index of held deliveries.
        """
        keys = self._store.keys
        digests, scopes = keys.digests(recipient), await self._scopes(recipient)
        (windows,) = await self._store.pipeline([("HKEYS", digests)])
        inbox = keys.inbox(recipient)
        names = [*(f"{inbox}{suffix}" for suffix in _INBOX_SUFFIXES)]
        names += [f"{digests}:{window.decode()}" for window in windows]
        names += [digests, f"{digests}:open", f"{digests}:items", keys.held_of(recipient)]
        names += [f"{scope}{suffix}" for scope in scopes for suffix in ("", ":waiting", ":times")]
        names += [f"{keys.mails(recipient)}:types"]
        names += [keys.deliveries(recipient), f"{keys.deliveries(recipient)}:older"]
        await self._store.pipeline([("DEL", name) for name in names])

    async def _scopes(self, recipient: str) -> Sequence[str]:
        """Return the keys of a recipient's counted mails: of all types, and of each that has a limit."""
        key = self._store.keys.mails(recipient)
        (types,) = await self._store.pipeline([("SMEMBERS", f"{key}:types")])
        return [key, *(f"{key}:type:{name.decode()}" for name in types)]
