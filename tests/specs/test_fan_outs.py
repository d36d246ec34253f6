"""Spec of the FanOuts port."""

from service.ports import EventPosition, FanOut
from tests.specs.backend import Backend

KEY = "01" * 12
POSITION = EventPosition("events", 3, 17)


async def test_the_last_position_of_an_event_is_kept(backend: Backend) -> None:
    """Each event has its own; one that is dropped, or that was never put, has none."""
    further = FanOut(POSITION, "users:,role:admin", 1, "ann\u00e4 {x}\n")
    await backend.fan_outs.put(KEY, FanOut(POSITION, "role:admin", 0, ""))
    await backend.fan_outs.put(KEY, further)

    assert await backend.fan_outs.get(KEY) == further
    assert await backend.fan_outs.get("02" * 12) is None
    await backend.fan_outs.drop(KEY)
    await backend.fan_outs.drop(KEY)
    assert await backend.fan_outs.get(KEY) is None
