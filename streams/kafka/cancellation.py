"""Tells our own cancellation from one that leaks out of a client, as aiokafka leaks that of tasks it ends."""

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled; return if a CancelledError came from elsewhere."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
