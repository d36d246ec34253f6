"""Groups of relays' results: large while many messages are out, one by one when few are."""

import asyncio

from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.pipeline.email.results import SendResults

_SENT = SendResult(SendStatus.accepted, Reason.none)


def _futures(count: int) -> dict[str, "asyncio.Future[SendResult]"]:
    loop = asyncio.get_running_loop()
    return {f"d{n}": loop.create_future() for n in range(count)}


async def test_the_result_of_a_message_is_given_while_another_one_is_out() -> None:
    """A worker with few messages stores each result at once: the second message is still at the relay."""
    futures = _futures(2)
    groups = SendResults(futures).groups()
    futures["d0"].set_result(_SENT)
    assert await anext(groups) == [("d0", _SENT)]
    futures["d1"].set_result(_SENT)
    assert await anext(groups) == [("d1", _SENT)]
    assert [group async for group in groups] == []


async def test_a_small_group_waits_for_results_that_come_right_after_it() -> None:
    """Results that come shortly after the first one, while many messages are out, are one group."""
    futures = _futures(100)
    groups = SendResults(futures).groups()
    futures["d0"].set_result(_SENT)
    first = asyncio.ensure_future(anext(groups))
    await asyncio.sleep(0)
    for n in range(1, 10):
        futures[f"d{n}"].set_result(_SENT)
    assert [delivery for delivery, _ in await first] == [f"d{n}" for n in range(10)]
    for n in range(10, 100):
        futures[f"d{n}"].cancel()
    assert [group async for group in groups] == []
