"""The difference between a cancellation of the current task and one that aiokafka leaks from a task that it ends."""

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError if the current task was cancelled; return if a CancelledError came from elsewhere."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
