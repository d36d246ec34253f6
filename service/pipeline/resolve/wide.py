"""What resolve remembers of a wide event: who was found, and which mailboxes were decided on, in some 15 bytes each."""

from hashlib import blake2b
from typing import NamedTuple

_HASH_BYTES = 12
"""Of a million texts, two have the same hash with a probability of 1e-17."""
_ENTRY_BYTES = _HASH_BYTES + 1
_BUCKETS = 4096
_ANOTHER = "another recipient"


class MailboxUse(NamedTuple):
    """The recipient that decided for a mailbox, and whether mail goes to it."""

    recipient: str
    queued: bool


class _HashTable:
    """Texts → a number below 256. Each bucket is one string of entries, so a million texts are no million objects."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def get(self, text: str) -> int | None:
        """Return the number of a text; None where it has none."""
        key, bucket = self._place(text)
        start = _find(bucket, key)
        return None if start < 0 else bucket[start + _HASH_BYTES]

    def set(self, text: str, number: int) -> None:
        """Give a text a number, in the place of the one that it had."""
        key, bucket = self._place(text)
        start = _find(bucket, key)
        if start < 0:
            bucket += key + bytes((number,))
        else:
            bucket[start + _HASH_BYTES] = number

    def _place(self, text: str) -> tuple[bytes, bytearray]:
        key = blake2b(text.encode(), digest_size=_HASH_BYTES).digest()
        return key, self._buckets[(key[0] << 8 | key[1]) % _BUCKETS]


def _find(bucket: bytearray, key: bytes) -> int:
    """Return where the entry of a key starts; -1 where there is none."""
    start = bucket.find(key)
    while start % _ENTRY_BYTES and start >= 0:  # across two entries
        start = bucket.find(key, start + 1)
    return start


class WideRecipients:
    """The recipients of a wide event that were found so far, as a set."""

    __slots__ = ("_table",)

    def __init__(self) -> None:
        self._table = _HashTable()

    def __contains__(self, recipient: str) -> bool:
        return self._table.get(recipient) is not None

    def add(self, recipient: str) -> None:
        """Add a recipient."""
        self._table.set(recipient, 1)


class WideMailboxes:
    """What was decided for each mailbox of a wide event, as a mapping; it does not remember which recipient decided."""

    __slots__ = ("_table",)

    def __init__(self) -> None:
        self._table = _HashTable()

    def get(self, key: str) -> MailboxUse | None:
        """Return the use of a mailbox; None where there is none."""
        queued = self._table.get(key)
        return None if queued is None else MailboxUse(_ANOTHER, bool(queued))

    def __setitem__(self, key: str, use: MailboxUse) -> None:
        self._table.set(key, use.queued)
