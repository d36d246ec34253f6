"""Keys: every id has one key, in the slot of its own hash tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from service.adapters.redis.keys import Keys, escape, unescape
from service.model.ids import LEDGER_SHARDS

KEYS = Keys("tocsin:")
ANY = st.text(st.characters(), max_size=40)


@pytest.mark.exhaustive
@given(ANY)
def test_escape_can_be_undone(text: str) -> None:
    """Every id can be restored, and an escaped id breaks neither a key nor a line."""
    assert unescape(escape(text)) == text
    assert escape(text).isascii()
    assert not set(escape(text)) & set("{}\n\t \x00")


@given(ANY)
def test_one_recipient_is_one_slot(name: str) -> None:
    """All keys of a recipient are in one slot, for any id."""
    keys = [KEYS.recipient(name), KEYS.inbox(name), KEYS.deliveries(name), f"{KEYS.inbox(name)}:unread"]
    assert len({key_slot(key.encode()) for key in keys}) == 1


@given(ANY, ANY)
def test_two_ids_are_two_keys(one: str, other: str) -> None:
    """Different ids never share a key, nor do a recipient, an account and a group of the same name."""
    keys = {
        KEYS.recipient(one),
        KEYS.contacts(one),
        KEYS.group(one, other),
        KEYS.role_members(one),
    }
    assert len(keys) == 4
    assert (KEYS.group(one, other) == KEYS.group(other, one)) == (one == other)
    assert (KEYS.inbox(one) == KEYS.inbox(other)) == (one == other)


def test_shards_of_the_ledger_are_evenly_spaced() -> None:
    """Each shard has a range of slots of its own, with all its buckets, so every primary has about as many."""
    shards = [KEYS.ledger_shard(n) for n in range(LEDGER_SHARDS)]
    slots = [key_slot(shard.encode()) for shard in shards]

    assert [slot * LEDGER_SHARDS // REDIS_CLUSTER_HASH_SLOTS for slot in slots] == list(range(LEDGER_SHARDS))
    assert [key_slot(f"{shard}:9.0.2:15".encode()) for shard in shards] == slots
    assert key_slot(KEYS.names.encode()) not in slots


def test_a_prefix_must_not_choose_the_slot() -> None:
    """A brace in the prefix would put everything into one slot."""
    with pytest.raises(ValueError, match="braces"):
        Keys("a{b}")
