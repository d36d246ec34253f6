"""A commit never goes past an unfinished record, and always goes up to the first one (ADR 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.consumer.offset_tracker import OffsetTracker


def watermark(*offsets: int) -> OffsetTracker:
    """A watermark to which these offsets were delivered."""
    mark = OffsetTracker()
    mark.deliver(offsets)
    return mark


def test_nothing_finished_is_nothing_to_commit() -> None:
    """Delivered records alone move nothing."""
    assert watermark(0, 1, 2).position is None


def test_the_prefix_is_committed() -> None:
    """Finishing from the front moves the position to one past the last."""
    mark = watermark(5, 6, 7)

    mark.finish(5)
    mark.finish(6)

    assert (mark.position, mark.next, mark.unfinished) == (7, 7, 1)


def test_an_unfinished_head_holds_everything_back() -> None:
    """However much is finished behind it, an unfinished first record keeps the position where it was."""
    mark = watermark(*range(100))

    for offset in range(99, 0, -1):
        mark.finish(offset)

    assert (mark.position, len(mark), mark.unfinished) == (None, 100, 1)
    mark.finish(0)
    assert (mark.position, len(mark), mark.unfinished) == (100, 0, 0)


def test_an_unfinished_head_right_behind_the_commit_holds_too() -> None:
    """One open record directly after what was committed is not stepped over: Faust's own commit does just that."""
    mark = watermark(*range(10, 15))
    mark.finish(10)
    mark.committed = mark.position

    for offset in (12, 13, 14):
        mark.finish(offset)

    assert mark.position == 11
    assert mark.pending is None


def test_holes_of_transaction_markers_and_compaction_are_stepped_over() -> None:
    """Offsets that were never delivered are not waited for, nor mistaken for finished ones."""
    mark = watermark(20, 22, 23, 30)

    mark.finish(20)
    mark.finish(23)
    assert mark.position == 21
    mark.finish(22)
    assert mark.position == 24
    mark.finish(30)
    assert mark.position == 31


def test_pending_is_what_kafka_does_not_have() -> None:
    """A commit is owed until it is noted, and again when the position has moved on."""
    mark = watermark(0, 1)
    mark.finish(0)

    assert mark.pending == 1
    mark.committed = 1
    assert mark.pending is None
    mark.finish(1)
    assert mark.pending == 2


def test_offsets_that_go_back_are_refused() -> None:
    """Only a new watermark can describe a partition that was truncated or made anew."""
    mark = watermark(5, 6)

    with pytest.raises(ValueError, match="5"):
        mark.deliver([5])
    mark.finish(5)
    mark.finish(6)
    with pytest.raises(ValueError, match="6"):
        mark.deliver([6])
    mark.deliver([])
    mark.deliver([7])


def test_records_of_a_lost_assignment_finish_into_nothing() -> None:
    """A new assignment has a new watermark; finishing in the old one does not move it."""
    old, new = watermark(3, 4, 5), watermark(3, 4, 5)

    for offset in (3, 4, 5):
        old.finish(offset)

    assert new.position is None


@given(
    gaps=st.lists(st.integers(1, 3), min_size=1, max_size=60),
    order=st.randoms(use_true_random=False),
    share=st.floats(0, 1),
    chunk=st.integers(1, 20),
)
def test_position_is_the_first_unfinished_whatever_the_order(
    gaps: list[int], order: "st.randoms", share: float, chunk: int
) -> None:
    """Against a naive model: never past an unfinished record, always the full prefix, after every single step."""
    offsets = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    mark = OffsetTracker()
    delivered: list[int] = []
    finished: set[int] = set()
    for start in range(0, len(offsets), chunk):
        part = offsets[start : start + chunk]
        mark.deliver(part)
        delivered += part
        todo = [offset for offset in delivered if offset not in finished]
        order.shuffle(todo)
        for offset in todo[: round(len(todo) * share)]:
            mark.finish(offset)
            finished.add(offset)
            prefix = 0
            while prefix < len(delivered) and delivered[prefix] in finished:
                prefix += 1
            assert mark.position == (delivered[prefix - 1] + 1 if prefix else None)
            assert mark.next == (delivered[prefix] if prefix < len(delivered) else mark.position)
            assert mark.unfinished == len(delivered) - len(finished)
