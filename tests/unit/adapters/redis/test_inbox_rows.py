"""Inbox entries as Redis stores them."""

import pytest

from service.adapters.redis.inbox.rows import entry_bytes, id_bytes, item_of
from service.model.ids import delivery_id, event_key
from service.ports import InboxItem

EVENT = event_key("/auctions", "1")
ID = delivery_id(EVENT, "alice", "inbox")
ITEM = InboxItem(ID, "alice", "overbid", 6, 5, {"lot_id": "1"}, "A line", EVENT, 9, 7)


@pytest.mark.parametrize(
    ("body", "event"),
    [(b'[6,{"lot_id":"1"},"A line"]', EVENT), (b'[6,{"lot_id":"1"},"A line","other"]', "other")],
)
def test_entries_of_earlier_versions(body: bytes, event: str) -> None:
    """They have no brand, and mostly no event: they stay readable."""
    stored = b"5\t7\t9\toverbid\n" + body

    assert item_of("alice", id_bytes(ID), stored) == ITEM._replace(event=event)


@pytest.mark.parametrize(
    "changes", [{}, {"event": "other"}, {"brand": "shop"}, {"brand": "shop", "event": ""}]
)
def test_an_entry_is_read_as_it_was_written(changes: dict[str, str]) -> None:
    """Whatever it leaves out."""
    item = ITEM._replace(**changes)

    assert item_of("alice", id_bytes(ID), entry_bytes(item)) == item


def test_the_default_brand_takes_no_room() -> None:
    """An inbox has a thousand entries: the row is as long as it was before there were brands."""
    assert entry_bytes(ITEM) == b'5\t7\t9\toverbid\n[6,{"lot_id":"1"},"A line"]'
