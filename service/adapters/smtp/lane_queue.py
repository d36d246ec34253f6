"""A queue of messages in which the more urgent lane goes first, and no lane starves."""

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Generic, Protocol, TypeVar

from service.model.catalogue import Lane

_TURNS, _NORMAL_FIRST = 16, 8


class _InLane(Protocol):
    @property
    def lane(self) -> Lane: ...


_Item = TypeVar("_Item", bound=_InLane)


class LaneQueue(Generic[_Item]):
    """A deque for each lane, behind the methods of one. Items of one lane keep their order.

    `size`: how many items there are; quicker than `len`, and read several times for each message.

    Of 16 turns one begins with the normal lane and one with bulk: urgent mail may come faster than a relay takes it.
    """

    __slots__ = ("_bulk", "_high", "_lanes", "_normal", "_turn", "size")

    def __init__(self) -> None:
        self._high, self._normal, self._bulk = deque[_Item](), deque[_Item](), deque[_Item]()
        self._lanes = {Lane.high: self._high, Lane.normal: self._normal, Lane.bulk: self._bulk}
        self.size = self._turn = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[_Item]:
        return chain.from_iterable(self._lanes.values())

    def append(self, item: _Item) -> None:
        """Add an item behind those of its lane."""
        self._lanes[item.lane].append(item)
        self.size += 1

    def appendleft(self, item: _Item) -> None:
        """Put an item before those of its lane."""
        self._lanes[item.lane].appendleft(item)
        self.size += 1

    def popleft(self) -> _Item:
        """Remove and return the next item. Raise IndexError when there is none."""
        self._turn = (self._turn + 1) % _TURNS
        if self._turn == _NORMAL_FIRST:
            queue = self._normal or self._bulk or self._high
        elif self._turn:
            queue = self._high or self._normal or self._bulk
        else:
            queue = self._bulk or self._normal or self._high
        item = queue.popleft()
        self.size -= 1
        return item

    def clear(self) -> None:
        """Remove all items."""
        for queue in self._lanes.values():
            queue.clear()
        self.size = 0
