"""Wait for an event for a limited time."""

import asyncio
from contextlib import suppress


async def await_event(event: asyncio.Event, timeout_s: float) -> None:
    """Return once the event is set, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):  # wait_for may swallow a cancellation (fixed in Python 3.12)
            await event.wait()
