"""What Redis keeps of a person beside the tables: for export, and to forget it."""

from collections.abc import Sequence

from service.adapters.redis.client import CHUNK, Script, Store
from service.adapters.redis.inbox.pages import RedisInboxReads
from service.adapters.redis.ledger.ledger import RedisLedger
from service.ports import Clock, InboxItem, InboxQuery, ReadFilter

_ANONYMISE = Script("ledger_anonymise")
_INBOX = ("", ":all", ":unread", ":read", ":counts", ":expires", ":seen", ":changes")
_EVERY = 1_000_000


class RedisPersonalData:
    """The Personal port."""

    def __init__(self, store: Store, ledger: RedisLedger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._reads = RedisInboxReads(store, clock)

    async def deliveries(self, recipient: str) -> Sequence[tuple[str, str]]:
        """(event, delivery) of all that the ledger's index has, newest first."""
        return await self._ledger.recipient_entries(recipient, 0, _EVERY)

    async def entries(self, recipient: str) -> Sequence[InboxItem]:
        """The whole inbox, read and unread, oldest first."""
        found: list[InboxItem] = []
        query = InboxQuery(recipient, ReadFilter.all, limit=CHUNK)
        while True:
            page = await self._reads.page(query)
            found += page.items
            if not page.cursor:
                return found
            query = InboxQuery(recipient, ReadFilter.all, limit=CHUNK, after=page.cursor)

    async def anonymise(self, deliveries: Sequence[tuple[str, str]], stand_in: str) -> int:
        """Keep where these deliveries stand, and nothing of for whom; how many there were."""
        of_event: dict[str, list[str]] = {}
        for event, delivery in deliveries:
            of_event.setdefault(event, []).append(delivery)
        found = 0
        for event, ids in of_event.items():
            key = self._store.keys.event(event)
            for start in range(0, len(ids), CHUNK):
                part = ids[start : start + CHUNK]
                found += (await self._store.script(_ANONYMISE, key, stand_in, *part))[0]
        return found

    async def forget(self, recipient: str) -> None:
        """Remove the inbox with its traces, and the ledger's index."""
        keys = self._store.keys
        inbox = keys.inbox(recipient)
        names = [*(f"{inbox}{part}" for part in _INBOX), keys.deliveries(recipient)]
        await self._store.pipeline([("DEL", name) for name in names])
