"""Named points between two effects, where a chaos test may kill or stop the process. They cost nothing otherwise."""

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
    "after_failure_before_dead_letter",
    "after_revoke_before_drain",
    "after_drain_before_leave",
)
"""The points of a stage; the adapters have their own."""


def no_fault(name: str) -> None:
    """Pass the point: production runs with this."""


def kill_at(point: str) -> Fault:
    """Return a fault that kills this process with SIGKILL at a point: `name`, or `name:3` for the third pass.

    `name:3:stop` stops it with SIGSTOP instead, until it gets SIGCONT. An empty string gives `no_fault`. Raise
    ValueError when the count is not a number.
    """
    if not point:
        return no_fault
    name, count, action = [*point.split(":"), "", ""][:3]
    left, sent = int(count or 1), signal.SIGSTOP if action == "stop" else signal.SIGKILL

    def fault(passed: str) -> None:
        nonlocal left
        if passed == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), sent)

    return fault
