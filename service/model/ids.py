"""Derived ids: the same fact always gets the same id, so a repeat meets the row it made before."""

from hashlib import blake2b

_SIZE = 12  # 96 bits: a collision is expected after some 10^14 deliveries


def event_key(source: str, event_id: str) -> str:
    """24 hex digits for the pair that CloudEvents 1.0 calls unique, (source, id)."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=_SIZE).hexdigest()


def delivery_id(event: str, recipient: str, channel: str) -> str:
    """24 hex digits for one event, by its key, for one recipient on one channel."""
    return blake2b(f"{event}\0{recipient}\0{channel}".encode(), digest_size=_SIZE).hexdigest()


def address_key(address: str) -> str:
    """24 hex digits that stand for an address where the address itself must not be shown.

    Only the domain is case-insensitive by RFC 5321 section 2.4, but no mailbox in use tells upper from lower
    case, and a suppression that a capital letter escapes is worse than one that is too wide.
    """
    return blake2b(address.strip().lower().encode(), digest_size=_SIZE).hexdigest()
