"""Wait for a condition with a deadline, where there is no event to wait for."""

import asyncio
import inspect
import time
from collections.abc import Callable

_POLL_S = 0.005
_SERVER_POLL_S = 0.05


async def eventually(
    condition: Callable[[], object], timeout_s: float = 30.0, describe: Callable[[], str] = str
) -> None:
    """Return as soon as the condition holds; after `timeout_s`, raise AssertionError with what `describe` returns.

    A condition that returns an awaitable usually asks a server, so it is polled every 50 ms; any other every 5 ms.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while True:
        holds, pause_s = condition(), _POLL_S
        if inspect.isawaitable(holds):
            holds, pause_s = await holds, _SERVER_POLL_S
        if holds:
            return
        if loop.time() > deadline_s:
            raise AssertionError(f"not within {timeout_s} s: {describe()}")
        await asyncio.sleep(pause_s)


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    """Block the thread until the condition holds, polled every 5 ms; return whether it did within `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True
