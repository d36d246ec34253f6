"""Named points between two effects, where a chaos test may kill the process. They cost nothing unless one is armed."""

import os
import signal
from collections.abc import Callable

Fault = Callable[[str], None]
"""Called with the name of the point that is about to be passed."""

POINTS = (
    "after_accept_before_handle",
    "after_handle_before_produce",
    "after_produce_before_finish",
    "after_finish_before_commit",
    "after_commit",
    "after_poison_before_produce",
    "after_revoke_before_drain",
    "after_drain_before_leave",
)
"""The points of a stage; the adapters have their own."""


def none(name: str) -> None:
    """No fault: what runs in production."""


def killer(armed: str) -> Fault:
    """SIGKILL this process at a point: `name`, or `name:3` for the third time it is passed; an empty string is `none`.

    Raises ValueError when the count is no number.
    """
    if not armed:
        return none
    name, _, count = armed.partition(":")
    left = int(count or 1)

    def fault(passed: str) -> None:
        nonlocal left
        if passed == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return fault
