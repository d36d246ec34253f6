"""Waiting for a condition with a deadline, where there is no event to wait for."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether the condition came true within the time; polls every 10 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
