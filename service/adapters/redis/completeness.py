"""The mark that Redis holds everything. It dies with the data, so that what was emptied is never taken for "nobody".

A server has one mark. A cluster has one in each of its 16,384 slots, because its servers lose their data one by one,
and because a script can read only the slot it writes to: some 1.5 MB in all.
"""

from collections.abc import Sequence
from functools import cache

from redis.crc import key_slot

from service.ports import Unavailable

YES = b"yes"
ABSENT = "Redis is not complete: run `tocsin rebuild`"
_SLOTS = 16_384
_EVERY = 256  # a reader looks into every 256th slot: a server with fewer in a row is still held back by its scripts


@cache
def _tags() -> tuple[str, ...]:
    """For each slot a hash tag that chooses it."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < _SLOTS:
        found.setdefault(key_slot(b"%x" % number), f"{number:x}")
        number += 1
    return tuple(found[slot] for slot in range(_SLOTS))


class CompletenessMarks:
    """The keys of the marks. `name` is the mark of a single server."""

    def __init__(self, name: str, cluster: bool) -> None:
        self._name = name
        self._cluster = cluster

    def beside(self, key: str) -> str:
        """The mark that a script which writes to `key` has to look at."""
        return self._in(key_slot(key.encode())) if self._cluster else self._name

    def probes(self) -> Sequence[str]:
        """Those that a reader looks at. Read them after what is decided by them: then nothing was lost before."""
        return [self._in(slot) for slot in range(0, _SLOTS, _EVERY)] if self._cluster else [self._name]

    def every(self) -> Sequence[str]:
        """All there are."""
        return [self._in(slot) for slot in range(_SLOTS)] if self._cluster else [self._name]

    def _in(self, slot: int) -> str:
        return f"{self._name}:{{{_tags()[slot]}}}"


def why_incomplete(marks: Sequence[bytes | None]) -> str | None:
    """Why nothing may be sent, by the marks that were read; None when all of them say that everything is there."""
    for mark in marks:
        if mark != YES:
            return ABSENT if mark is None else mark.decode().removeprefix("no ")
    return None


def require_complete(marks: Sequence[bytes | None]) -> None:
    """Raise Unavailable unless these marks say that everything is there."""
    if reason := why_incomplete(marks):
        raise Unavailable(reason)
