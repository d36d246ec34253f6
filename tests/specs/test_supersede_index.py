"""What Supersedes promises."""

from itertools import permutations

from tests.specs.backend import Backend


async def test_the_newest_event_wins_in_any_order(backend: Backend) -> None:
    """Whatever the order in which events are noted, each key's answer is its newest one."""
    for n, order in enumerate(permutations([("a", 1), ("b", 2), ("c", 3)])):
        answers = [(await backend.supersedes.supersede([(f"k{n}", event, at)]))[0] for event, at in order]
        newest_so_far = [max(order[: i + 1], key=lambda pair: pair[1])[0] for i in range(3)]

        assert answers == newest_so_far


async def test_within_one_batch_all_hear_of_the_newest(backend: Backend) -> None:
    """Every item of a batch is answered with its key's newest event, the batch included."""
    batch = [("k", "a", 1), ("other", "x", 1), ("k", "b", 2), ("k", "a", 1)]

    assert list(await backend.supersedes.supersede(batch)) == ["b", "x", "b", "b"]
    assert list(await backend.supersedes.supersede(batch)) == ["b", "x", "b", "b"]


async def test_of_one_time_the_greater_key_wins(backend: Backend) -> None:
    """Ties are decided alike everywhere: by the event key."""
    await backend.supersedes.supersede([("k", "b", 5)])

    assert list(await backend.supersedes.supersede([("k", "a", 5)])) == ["b"]
    assert list(await backend.supersedes.supersede([("k", "c", 5)])) == ["c"]


async def test_newest_reads_without_noting(backend: Backend) -> None:
    """Keys that were never noted have no newest event."""
    await backend.supersedes.supersede([("overbid|{lot}|bob", "e", 5)])

    assert list(await backend.supersedes.newest(["overbid|{lot}|bob", "none"])) == ["e", None]
    assert list(await backend.supersedes.newest([])) == []
    assert list(await backend.supersedes.supersede([])) == []
