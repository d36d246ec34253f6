"""The audience of an event: what candidates have from their rows."""

from typing import Any

from service.model.access import Account
from service.model.event import Event
from service.model.holds.calendar import QuietHours, QuietWindow
from service.model.recipient import Contact, Recipient
from service.pipeline.resolve.audience import FIRST, add_lookup_keys, candidates, further_candidates
from service.ports import LookupKeys
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue

NIGHT: QuietHours = (QuietWindow(start="22:00", end="07:00"),)
NOON: QuietHours = (QuietWindow(start="12:00", end="13:00"),)


async def quiet_hours_of(tables: FakeTables, type_name: str, **fields: Any) -> dict[str, QuietHours | None]:
    """Return the quiet hours of all candidates of an event by recipient."""
    type_, keys = small_catalogue()[type_name], LookupKeys()
    event = Event("k", "1", "/t", type_name, 0, 0, {}, **fields)
    add_lookup_keys(event, type_, keys)
    rows = await tables.lookup(keys)
    found = list(candidates(event, type_, rows))
    async for _, page in further_candidates(event, type_, rows, tables):
        found += page
    return {one.recipient: one.quiet_hours for one in found}


async def test_a_contact_without_quiet_hours_has_those_of_its_account() -> None:
    """On the first page and on further ones; an empty list is none at all, and not the account's."""
    tables = FakeTables()
    await tables.accounts.put(Account(id="acme", credential="h", quiet_hours=NIGHT))
    rows = {f"u{n:04}": None for n in range(FIRST + 5)} | {"own": NOON, "none": ()}
    await tables.put_contacts(
        [
            Contact(uuid=uuid, account="acme", email="c@example.com", quiet_hours=own)
            for uuid, own in rows.items()
        ]
    )

    found = await quiet_hours_of(tables, "payment_failed", account="acme")

    assert found == {uuid: NIGHT if own is None else own for uuid, own in rows.items()}


async def test_a_recipient_has_those_of_its_row() -> None:
    """An unknown one has none, so those of the type are in force."""
    tables = FakeTables()
    await tables.put_recipients([Recipient(id="alice", quiet_hours=NIGHT), Recipient(id="bob")])

    found = await quiet_hours_of(tables, "winner", recipients=("alice", "bob", "carol"))

    assert found == {"alice": NIGHT, "bob": None, "carol": None}
