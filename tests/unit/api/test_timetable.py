"""One timer for thousands of entries."""

import asyncio
from dataclasses import dataclass, field

from service.api.timetable import Timetable
from tests.support.wait import eventually


@dataclass
class Counting:
    """An entry that is called `calls` times, each a moment after the last."""

    due_s: float
    calls: int = 1
    times_s: list[float] = field(default_factory=list)

    def call(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        self.times_s.append(now_s)
        self.due_s = now_s + 0.01
        return len(self.times_s) < self.calls


async def test_entries_are_called_in_their_order() -> None:
    """Also one that is added later and due earlier, and more than are called at once."""
    now_s, table = asyncio.get_running_loop().time(), Timetable()
    late = [Counting(now_s + 0.1) for _ in range(250)]
    for each in late:
        table.add(each)
    early = Counting(now_s + 0.01)
    table.add(early)

    await eventually(lambda: all(each.times_s for each in late))

    assert early.times_s[0] < late[0].times_s[0]
    assert all(each.times_s[0] >= now_s + 0.1 for each in late)


async def test_entries_are_called_until_they_say_no() -> None:
    """Each time when it is due again."""
    entry, table = Counting(asyncio.get_running_loop().time(), calls=3), Timetable()
    table.add(entry)
    await eventually(lambda: len(entry.times_s) == 3)
    later = Counting(entry.due_s + 0.02)
    table.add(later)

    await eventually(lambda: bool(later.times_s))

    assert len(entry.times_s) == 3


async def test_an_entry_that_moved_its_time_is_called_then() -> None:
    """Its old time passes without a call."""
    now_s, table = asyncio.get_running_loop().time(), Timetable()
    moved, other = Counting(now_s + 0.01), Counting(now_s + 0.03)
    table.add(moved)
    table.add(other)
    moved.due_s = now_s + 0.1

    await eventually(lambda: bool(moved.times_s))

    assert other.times_s[0] < moved.times_s[0]
