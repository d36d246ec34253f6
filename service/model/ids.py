"""Derived ids: the same fact always gets the same id, so a repeat meets the row that it made before."""

from hashlib import blake2b

from service.model.address import mailbox

_SIZE_BYTES = 12  # 96 bits: a collision is expected after some 10^14 deliveries
_PSEUDONYM = "addr-"


def event_key(source: str, event_id: str) -> str:
    """Return 24 hex digits for the pair that CloudEvents 1.0 calls unique, (source, id)."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=_SIZE_BYTES).hexdigest()


def delivery_id(event: str, recipient: str, channel: str) -> str:
    """Return 24 hex digits for one event, by its key, for one recipient on one channel."""
    return blake2b(f"{event}\0{recipient}\0{channel}".encode(), digest_size=_SIZE_BYTES).hexdigest()


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
    return blake2b(mailbox(address).encode(), digest_size=_SIZE_BYTES).hexdigest()
