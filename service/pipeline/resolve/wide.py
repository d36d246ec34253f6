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

    __slots__ = ("_buckets", "_last")

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._last = ("", b"", bytearray(), -1)

    def get(self, text: str) -> int | None:
        """Return the number of a text; None where it has none."""
        _, _, bucket, start = self._find(text)
        return None if start < 0 else bucket[start + _HASH_BYTES]

    def set(self, text: str, number: int) -> None:
        """Give a text a number, in the place of the one that it had."""
        last, key, bucket, start = self._last
        if text != last:
            _, key, bucket, start = self._find(text)
        if start < 0:
            bucket += key + bytes((number,))
            self._last = ("", key, bucket, start)
        else:
            bucket[start + _HASH_BYTES] = number

    def _find(self, text: str) -> tuple[str, bytes, bytearray, int]:
        """Return a text, its key and bucket, and where its entry starts there; -1 where it has none.

        It is kept for the `set` that mostly follows.
        """
        key = blake2b(text.encode(), digest_size=_HASH_BYTES).digest()
        bucket = self._buckets[(key[0] << 8 | key[1]) % _BUCKETS]
        start = bucket.find(key)
        while start % _ENTRY_BYTES and start >= 0:  # across two entries
            start = bucket.find(key, start + 1)
        self._last = (text, key, bucket, start)
        return self._last


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
