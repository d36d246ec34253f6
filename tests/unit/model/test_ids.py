"""Ids of events and deliveries: what the ledger reads from them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.redis.ledger.places import head_field, key_of_field
from service.model.ids import (
    LEDGER_SHARDS,
    delivery_id,
    event_key,
    event_of_delivery,
    id_part,
    is_delivery_id,
    is_event_key,
)

TEXT = st.text(max_size=20)


@given(TEXT, TEXT, TEXT)
def test_ids_contain_what_they_belong_to(source: str, event_id: str, recipient: str) -> None:
    """A key has the shard and begins with what depends on the event's id alone; a delivery's id has its event's key."""
    event = event_key(source, event_id)
    delivery = delivery_id(event, recipient, "email")

    assert is_event_key(event)
    assert not is_delivery_id(event)
    assert int(event[:2], 16) < LEDGER_SHARDS
    assert event[:12] == id_part(event_id) == event_key("another source", event_id)[:12]
    assert is_delivery_id(delivery)
    assert not is_event_key(delivery)
    assert event_of_delivery(delivery) == event
    assert delivery != delivery_id(event, recipient, "inbox")


@given(st.binary(min_size=12, max_size=12).map(lambda key: bytes((key[0] % LEDGER_SHARDS,)) + key[1:]))
def test_a_key_is_read_back_from_its_field(key: bytes) -> None:
    """The field of a head and the shard have all of the key; rows beside it begin as it does."""
    field = head_field(key)
    assert len(field) == 11
    assert key_of_field(key[0], field) == key.hex()


@pytest.mark.parametrize(
    "text", ["", "e", "4" + "0" * 23, "A" + "0" * 23, "0" * 23, "0" * 25, "0" * 23 + "\n"]
)
def test_other_texts_are_no_keys(text: str) -> None:
    """Too long, too short, in upper case, or of a shard that there is not."""
    assert not is_event_key(text)
    assert not is_delivery_id(text + "0" * 16)


def test_shards_have_as_many_events_each() -> None:
    """Also where ids are counted up."""
    shards = Counter(event_key("/s", str(n))[:2] for n in range(64_000))
    assert len(shards) == LEDGER_SHARDS
    assert 800 < min(shards.values()) < max(shards.values()) < 1200
