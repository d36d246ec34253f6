"""The committable offset is never past an unfinished record, and always at the first one (ADR 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.consumer.offset_tracker import OffsetTracker


def tracker(*offsets: int) -> OffsetTracker:
    """A tracker to which these offsets were delivered."""
    made = OffsetTracker()
    made.deliver(offsets)
    return made


def test_nothing_finished_is_nothing_to_commit() -> None:
    """Delivered records alone change nothing."""
    assert tracker(0, 1, 2).committable is None


def test_the_prefix_is_committed() -> None:
    """Finishing from the front moves the committable offset to one past the last."""
    offsets = tracker(5, 6, 7)

    offsets.finish(5)
    offsets.finish(6)

    assert (offsets.committable, offsets.first_unfinished, offsets.unfinished) == (7, 7, 1)


def test_an_unfinished_head_holds_everything_back() -> None:
    """However much is finished after it, an unfinished first record keeps the committable offset where it was."""
    offsets = tracker(*range(100))

    for offset in range(99, 0, -1):
        offsets.finish(offset)

    assert (offsets.committable, len(offsets), offsets.unfinished) == (None, 100, 1)
    offsets.finish(0)
    assert (offsets.committable, len(offsets), offsets.unfinished) == (100, 0, 0)


def test_an_unfinished_head_right_behind_the_commit_holds_too() -> None:
    """One open record directly after what was committed is not stepped over: Faust's own commit does just that."""
    offsets = tracker(*range(10, 15))
    offsets.finish(10)
    offsets.committed = offsets.committable

    for offset in (12, 13, 14):
        offsets.finish(offset)

    assert offsets.committable == 11
    assert offsets.uncommitted_offset is None


def test_gaps_of_transaction_markers_and_compaction_are_stepped_over() -> None:
    """Offsets that were never delivered are not waited for, nor mistaken for finished ones."""
    offsets = tracker(20, 22, 23, 30)

    offsets.finish(20)
    offsets.finish(23)
    assert offsets.committable == 21
    offsets.finish(22)
    assert offsets.committable == 24
    offsets.finish(30)
    assert offsets.committable == 31


def test_the_uncommitted_offset_is_the_one_that_kafka_does_not_have() -> None:
    """It is there until the commit is noted, and again when the committable offset has advanced."""
    offsets = tracker(0, 1)
    offsets.finish(0)

    assert offsets.uncommitted_offset == 1
    offsets.committed = 1
    assert offsets.uncommitted_offset is None
    offsets.finish(1)
    assert offsets.uncommitted_offset == 2


def test_offsets_that_go_back_are_refused() -> None:
    """Only a new tracker can describe a partition that was truncated or recreated."""
    offsets = tracker(5, 6)

    with pytest.raises(ValueError, match="5"):
        offsets.deliver([5])
    offsets.finish(5)
    offsets.finish(6)
    with pytest.raises(ValueError, match="6"):
        offsets.deliver([6])
    offsets.deliver([])
    offsets.deliver([7])


def test_records_of_a_lost_assignment_finish_into_nothing() -> None:
    """A new assignment has a new tracker; finishing in the old one does not change it."""
    old, new = tracker(3, 4, 5), tracker(3, 4, 5)

    for offset in (3, 4, 5):
        old.finish(offset)

    assert new.committable is None


@given(
    gaps=st.lists(st.integers(1, 3), min_size=1, max_size=60),
    order=st.randoms(use_true_random=False),
    portion=st.floats(0, 1),
    chunk=st.integers(1, 20),
)
def test_the_committable_offset_is_the_first_unfinished_whatever_the_order(
    gaps: list[int], order: "st.randoms", portion: float, chunk: int
) -> None:
    """Against a naive model: never past an unfinished record, always the full prefix, after every single step."""
    fetched = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    offsets = OffsetTracker()
    delivered: list[int] = []
    finished: set[int] = set()
    for start in range(0, len(fetched), chunk):
        part = fetched[start : start + chunk]
        offsets.deliver(part)
        delivered += part
        todo = [offset for offset in delivered if offset not in finished]
        order.shuffle(todo)
        for offset in todo[: round(len(todo) * portion)]:
            offsets.finish(offset)
            finished.add(offset)
            prefix = 0
            while prefix < len(delivered) and delivered[prefix] in finished:
                prefix += 1
            assert offsets.committable == (delivered[prefix - 1] + 1 if prefix else None)
            assert offsets.first_unfinished == (
                delivered[prefix] if prefix < len(delivered) else offsets.committable
            )
            assert offsets.unfinished == len(delivered) - len(finished)
