"""Derived ids: the same fact always gets the same id, so a repeat meets the row that it made before."""

import re
from hashlib import blake2b

from service.model.address import mailbox

EVENT_BYTES, DELIVERY_BYTES = 12, 20
LEDGER_SHARDS = 64
_HALF, _OWN_BYTES = 6, 8  # 48 bits an event id and as many a source; 64 bits a delivery within its event
_ADDRESS_BYTES = 12
_PSEUDONYM = "addr-"
_IS_EVENT_KEY = re.compile(r"[0-3][0-9a-f]{23}").fullmatch
_IS_DELIVERY_ID = re.compile(r"[0-3][0-9a-f]{39}").fullmatch


def event_key(source: str, event_id: str) -> str:
    """Return 24 hex digits for the pair that CloudEvents 1.0 calls unique, (source, id).

    The first 12 depend on the id alone, so that events of one id are found together. The first byte is the shard of the
    ledger, below 64.
    """
    return id_part(event_id) + _hash(f"{source}\0{event_id}", _HALF)


def id_part(event_id: str) -> str:
    """Return the first 12 hex digits of the keys of all events with this id."""
    octets = _digest(event_id, _HALF)
    return bytes((octets[0] % LEDGER_SHARDS,)).hex() + octets[1:].hex()


def delivery_id(event: str, recipient: str, channel: str) -> str:
    """Return 40 hex digits for one event, by its key, for one recipient on one channel: the key and 16 more."""
    return event + _hash(f"{event}\0{recipient}\0{channel}", _OWN_BYTES)


def reminder_id(event: str, recipient: str, number: int) -> str:
    """Return the delivery id of a reminder by mail, the first of an event being number 1."""
    return delivery_id(event, recipient, f"email {number}")


def event_of_delivery(delivery: str) -> str:
    """Return the key of a delivery's event."""
    return delivery[: 2 * EVENT_BYTES]


def is_event_key(text: str) -> bool:
    """Return whether a text has the form of an `event_key`."""
    return _IS_EVENT_KEY(text) is not None


def is_delivery_id(text: str) -> bool:
    """Return whether a text has the form of a `delivery_id`."""
    return _IS_DELIVERY_ID(text) is not None


def is_delivery_of(delivery: str, event: str) -> bool:
    """Return whether a text has the form of a delivery's id, of the event with this key."""
    return is_delivery_id(delivery) and event_of_delivery(delivery) == event


def address_pseudonym(address: str) -> str:
    """Return the recipient id of an address in a group list: `addr-` and its `address_key`, since lists have no ids."""
    return _PSEUDONYM + address_key(address)


def is_pseudonym(recipient: str) -> bool:
    """Return whether a recipient id is the pseudonym of an address."""
    return recipient.startswith(_PSEUDONYM)


def pseudonym_key(recipient: str) -> str:
    """Return the `address_key` in a pseudonym; empty for any other recipient id."""
    return recipient.removeprefix(_PSEUDONYM) if is_pseudonym(recipient) else ""


def address_key(address: str) -> str:
    """Return 24 hex digits for the mailbox of an address, the same for each of its spellings.

    Used where the address itself must not be shown.
    """
    return _hash(mailbox(address), _ADDRESS_BYTES)


def _hash(text: str, size_bytes: int) -> str:
    return _digest(text, size_bytes).hex()


def _digest(text: str, size_bytes: int) -> bytes:
    return blake2b(text.encode(), digest_size=size_bytes).digest()
