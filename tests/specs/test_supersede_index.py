"""Spec of the SupersedeIndex port."""

from itertools import permutations

from tests.specs.backend import Backend


async def test_the_newest_event_wins_in_any_order(backend: Backend) -> None:
    """In any order of recording, each key's result is its newest event."""
    for n, order in enumerate(permutations([("a", 1), ("b", 2), ("c", 3)])):
        results = [(await backend.supersedes.supersede([(f"k{n}", event, at)]))[0] for event, at in order]
        newest_so_far = [max(order[: i + 1], key=lambda pair: pair[1])[0] for i in range(3)]

        assert results == newest_so_far


async def test_a_batch_gets_the_newest_event_of_each_key(backend: Backend) -> None:
    """Every item of a batch gets its key's newest event, the batch included."""
    batch = [("k", "a", 1), ("other", "x", 1), ("k", "b", 2), ("k", "a", 1)]

    assert list(await backend.supersedes.supersede(batch)) == ["b", "x", "b", "b"]
    assert list(await backend.supersedes.supersede(batch)) == ["b", "x", "b", "b"]


async def test_of_equal_times_the_greater_event_key_wins(backend: Backend) -> None:
    """The event key decides between events with the same time."""
    await backend.supersedes.supersede([("k", "b", 5)])

    assert list(await backend.supersedes.supersede([("k", "a", 5)])) == ["b"]
    assert list(await backend.supersedes.supersede([("k", "c", 5)])) == ["c"]


async def test_newest_does_not_record(backend: Backend) -> None:
    """Unknown keys have no newest event."""
    await backend.supersedes.supersede([("overbid|{lot}|bob", "e", 5)])

    assert list(await backend.supersedes.newest(["overbid|{lot}|bob", "none"])) == ["e", None]
    assert list(await backend.supersedes.newest([])) == []
    assert list(await backend.supersedes.supersede([])) == []
