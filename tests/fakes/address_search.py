"""Search of recipients and contacts by address, in memory."""

from collections.abc import Sequence

from service.model.ids import address_key
from tests.fakes.tables import FakeTables


class FakeAddressSearch:
    """Implements the AddressSearch port."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    async def find(self, address: str) -> Sequence[str]:
        key = address_key(address)
        recipients = {r.id for r in self._tables.recipients.values() if address_key(r.address) == key}
        contacts = (c for rows in self._tables.contacts.values() for c in rows.values())
        return sorted(recipients | {c.uuid for c in contacts if address_key(c.email) == key})
