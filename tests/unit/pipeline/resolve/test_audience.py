"""The audience of an event: what candidates have from their rows."""

from typing import Any

import pytest

from service.model.event import Event
from service.model.holds.calendar import QuietHours, QuietWindow
from service.model.recipient import Contact, Recipient
from service.pipeline.resolve.audience import add_lookup_keys, candidates, from_contact, further_candidates
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


@pytest.mark.parametrize("own", [None, (), NOON])
def test_a_contact_without_quiet_hours_has_those_of_its_account(own: QuietHours | None) -> None:
    """An empty list is none at all, and not the account's."""
    contact = Contact(uuid="c1", account="acme", email="c@example.com", quiet_hours=own)
    assert from_contact(contact, NIGHT).quiet_hours == (NIGHT if own is None else own)
    assert from_contact(contact).quiet_hours == own


async def test_a_recipient_has_those_of_its_row() -> None:
    """An unknown one has none, so those of the type are in force."""
    tables = FakeTables()
    await tables.put_recipients([Recipient(id="alice", quiet_hours=NIGHT), Recipient(id="bob")])

    found = await quiet_hours_of(tables, "winner", recipients=("alice", "bob", "carol"))

    assert found == {"alice": NIGHT, "bob": None, "carol": None}
