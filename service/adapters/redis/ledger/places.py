"""Where events and deliveries are in the ledger: shards, and the fields of their buckets (`ledger_functions.lua`).

A field has of a key what the shard, its first byte, does not say. The field of a head and those of the rows beside it
begin with the same six bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from service.adapters.redis.keys import Keys
from service.model.ids import DELIVERY_BYTES, EVENT_BYTES, delivery_id
from service.model.ledger import Entry

SHARED_BYTES, OWN_BYTES = 6, DELIVERY_BYTES - EVENT_BYTES
HEAD_BYTES = EVENT_BYTES - 1
ROW_BYTES, WIDE_ROW_BYTES = SHARED_BYTES + OWN_BYTES, HEAD_BYTES + OWN_BYTES


class Place(NamedTuple):
    """Where an event is: its shard, and the field of its head."""

    shard: str
    head: bytes

    @property
    def rest(self) -> bytes:
        """Return what the field of the head has more than those of the rows beside it."""
        return self.head[SHARED_BYTES:]

    def row(self, delivery: str) -> bytes:
        """Return the field of a delivery's row beside the head. Raise ValueError."""
        return self.head[:SHARED_BYTES] + bytes.fromhex(delivery)[EVENT_BYTES:]


def place_of(keys: Keys, event: str) -> Place:
    """Return where an event is. Raise ValueError for text that is no key of an event."""
    key = bytes.fromhex(event)
    return Place(keys.ledger_shard(key[0]), head_field(key))


def head_field(key: bytes) -> bytes:
    """Return the field of an event's head, by its key."""
    return key[1:5] + key[6:8] + key[5:6] + key[8:]


def key_of_field(first: int, field: bytes) -> str:
    """Return the key of an event, by its shard and the field of its head."""
    return (bytes((first,)) + field[:4] + field[6:7] + field[4:6] + field[7:]).hex()


def keys_of_fields(first: int, fields: bytes) -> set[str]:
    """Return the keys of events, by their shard and the fields of their heads, one behind the other."""
    return {key_of_field(first, fields[at : at + HEAD_BYTES]) for at in range(0, len(fields), HEAD_BYTES)}


def is_of(event: str, entry: Entry) -> bool:
    """Return whether a delivery is of this event, by its own id: keys of events may begin alike."""
    own = delivery_id(event, entry.recipient, entry.channel)[2 * EVENT_BYTES :]
    return entry.delivery[2 * EVENT_BYTES :] == own


def by_event(events: Iterable[str]) -> Mapping[str, Sequence[int]]:
    """Return the items of each event, by the events of the items in their order."""
    items: dict[str, list[int]] = {}
    for i, event in enumerate(events):
        items.setdefault(event, []).append(i)
    return items
