"""Who has an address, in memory."""

from collections.abc import Sequence

from service.model.ids import address_key
from tests.fakes.tables import FakeTables


class FakeAddressSearch:
    """The AddressSearch port."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    async def holders(self, address: str) -> Sequence[str]:
        wanted = address_key(address)
        people = {r.id for r in self._tables.recipients.values() if address_key(r.address) == wanted}
        contacts = (c for rows in self._tables.contacts.values() for c in rows.values())
        return sorted(people | {c.uuid for c in contacts if address_key(c.email) == wanted})
