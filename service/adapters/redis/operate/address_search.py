"""Search of recipients and contacts by address: reads all their rows, a few hundred at a time."""

from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.tables.rows import contact_of, is_current, recipient_of
from service.adapters.redis.unreadable_rows import readable
from service.model.ids import address_key


class RedisAddressSearch:
    """Implements the AddressSearch port. There is no index, because only operators search by address, and rarely."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, address: str) -> Sequence[str]:
        """Return the ids of recipients and contacts with this address, however it is spelt. Raise Unavailable."""
        key, ids = address_key(address), set[str]()
        async for names in self._store.scan_keys("{r:*}:row"):
            rows, _ = await self._store.fetch([name.decode(errors="surrogateescape") for name in names])
            recipients = (readable("recipients", recipient_of, row) for row in rows if is_current(row))
            ids.update(row.id for row in recipients if row and address_key(row.address) == key)
        async for names in self._store.scan_keys("{a:*}:contacts"):
            accounts = await self._store.pipeline([("HVALS", name) for name in names])
            contacts = (readable("contacts", contact_of, row) for rows in accounts for row in rows)
            ids.update(row.uuid for row in contacts if row and address_key(row.email) == key)
        return sorted(ids)
