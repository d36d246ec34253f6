"""Tasks with much work take turns."""

import asyncio

from service.ports.turns import SHARE_BYTES, Turns


async def test_one_task_has_its_turn_in_each_round_of_the_loop() -> None:
    """Whatever their number is; small shares are added up, and need no turn."""
    rounds, worked = 0, list[int]()

    async def count() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    async def work() -> None:
        turns = Turns()
        for _ in range(20):
            await turns.worked(SHARE_BYTES // 2)
            await turns.worked(SHARE_BYTES // 2)
            worked.append(rounds)

    counting = asyncio.create_task(count())
    await asyncio.gather(*(work() for _ in range(10)))
    counting.cancel()
    assert len(worked) == 200
    assert all(worked.count(one) <= 2 for one in worked)


def test_every_event_loop_has_its_own_queue() -> None:
    """A lock of another loop would raise."""

    async def work() -> None:
        turns = Turns()
        await asyncio.gather(*(turns.worked(SHARE_BYTES) for _ in range(3)))

    for _ in range(3):
        asyncio.run(work())
