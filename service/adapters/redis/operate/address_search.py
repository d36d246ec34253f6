"""Who has an address: the rows of recipients and contacts, all of them, a few hundred at a time."""

import re
from collections.abc import Sequence

from service.adapters.redis.client import Store
from service.adapters.redis.tables.rows import contact_of, recipient_of, stands
from service.model.ids import address_key


class RedisAddressSearch:
    """The AddressSearch port. There is no index: an address is looked for by operators only, and rarely."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def holders(self, address: str) -> Sequence[str]:
        """Ids of recipients and contacts with this address, its case aside. Raises Unavailable."""
        wanted, found = address_key(address), set[str]()
        prefix = re.sub(r"([\[\]*?^\\-])", r"\\\1", self._store.keys.prefix)
        async for keys in self._store.scan(f"{prefix}{{r:*}}:row"):
            rows, _ = await self._store.fetch([key.decode(errors="surrogateescape") for key in keys])
            people = (recipient_of(row) for row in rows if row is not None and stands(row))
            found.update(person.id for person in people if address_key(person.address) == wanted)
        async for keys in self._store.scan(f"{prefix}{{a:*}}:contacts"):
            accounts = await self._store.pipeline([("HVALS", key) for key in keys])
            contacts = (contact_of(row) for rows in accounts for row in rows)
            found.update(contact.uuid for contact in contacts if address_key(contact.email) == wanted)
        return sorted(found)
