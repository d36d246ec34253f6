"""The order of lanes: urgent first, each lane in order, and none starves."""

from typing import NamedTuple

import pytest

from service.adapters.smtp.lane_queue import LaneQueue
from service.model.catalogue import Lane


class _Item(NamedTuple):
    lane: Lane
    number: int


def queue_of(**sizes: int) -> LaneQueue[_Item]:
    """Return a queue with so many items of each lane, bulk entered first."""
    queue = LaneQueue[_Item]()
    for name in ("bulk", "normal", "high"):
        for number in range(sizes.get(name, 0)):
            queue.append(_Item(Lane(name), number))
    return queue


def test_urgent_items_go_first_and_keep_their_order() -> None:
    """What came later in a more urgent lane overtakes."""
    queue = queue_of(bulk=2, normal=2, high=2)
    taken = [queue.popleft() for _ in range(6)]
    assert [item.lane for item in taken] == [Lane.high] * 2 + [Lane.normal] * 2 + [Lane.bulk] * 2
    assert [item.number for item in taken] == [0, 1] * 3


@pytest.mark.parametrize("lane", Lane)
def test_no_lane_starves(lane: Lane) -> None:
    """Each lane has a share while the others always wait; most turns are of the urgent one."""
    queue = queue_of(bulk=100, normal=100, high=100)
    taken = [queue.popleft().lane for _ in range(64)]
    assert taken.count(lane) == {Lane.high: 56, Lane.normal: 4, Lane.bulk: 4}[lane]


def test_an_item_that_comes_back_is_the_next_of_its_lane() -> None:
    """The front of a lane, not of the queue."""
    queue = queue_of(bulk=1, high=1)
    queue.appendleft(_Item(Lane.bulk, -1))
    assert [queue.popleft().number for _ in range(3)] == [0, -1, 0]


def test_size_and_contents() -> None:
    """The length counts all lanes, also after everything has been removed."""
    queue = queue_of(bulk=2, high=1)
    assert (len(queue), len(list(queue))) == (3, 3)
    queue.clear()
    assert (len(queue), bool(queue), list(queue)) == (0, False, [])
    with pytest.raises(IndexError):
        queue.popleft()
    queue.append(_Item(Lane.normal, 1))
    assert len(queue) == 1
