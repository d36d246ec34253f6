"""The mark that Redis holds everything. It is lost together with the data, so an empty Redis never reads as "no rows".

A server has one mark. A cluster has one in each of its 16,384 slots, because its servers lose their data one by one,
and because a script can read only the slot it writes to: some 1.5 MB in all.
"""

from collections.abc import Sequence
from functools import cache

from redis.crc import key_slot

from service.ports import ABSENT, Unavailable

YES = b"yes"
_SLOTS = 16_384
_SAMPLE = range(0, _SLOTS, 256)
"""The slots that a reader checks; a server with fewer slots in a row is still stopped by its scripts."""


@cache
def _tags() -> tuple[str, ...]:
    """Return for each slot a hash tag that selects it."""
    tags: dict[int, str] = {}
    number = 0
    while len(tags) < _SLOTS:
        tags.setdefault(key_slot(b"%x" % number), f"{number:x}")
        number += 1
    return tuple(tags[slot] for slot in range(_SLOTS))


def key_in(slot: int, name: str) -> str:
    """Return the key of a name in a slot of a cluster."""
    return f"{name}:{{{_tags()[slot]}}}"


class CompletenessMarks:
    """The keys of the marks. `name` is the mark of a single server."""

    def __init__(self, name: str, cluster: bool) -> None:
        self._name = name
        self._cluster = cluster

    def mark_for(self, key: str) -> str:
        """Return the mark in the slot of `key`: the one that a script which writes to `key` has to check."""
        return key_in(key_slot(key.encode()), self._name) if self._cluster else self._name

    def sample(self) -> Sequence[str]:
        """Return the marks that a reader checks.

        Read them after the rows that a decision needs: a mark that is still there vouches for what was read before it.
        """
        return self.sampled(self._name)

    def sampled(self, name: str) -> Sequence[str]:
        """Return a key of each slot that a reader checks; `name` itself on a single server."""
        return [key_in(slot, name) for slot in _SAMPLE] if self._cluster else [name]

    def all(self) -> Sequence[str]:
        """Return every mark."""
        return [key_in(slot, self._name) for slot in range(_SLOTS)] if self._cluster else [self._name]


def why_incomplete(values: Sequence[bytes | None]) -> str | None:
    """Return why nothing may be sent, by the values of marks; None when all of them are `yes`."""
    for value in values:
        if value != YES:
            return ABSENT if value is None else value.decode().removeprefix("no ")
    return None


def require_complete(values: Sequence[bytes | None]) -> None:
    """Raise Unavailable unless all these values of marks are `yes`."""
    if reason := why_incomplete(values):
        raise Unavailable(reason)
