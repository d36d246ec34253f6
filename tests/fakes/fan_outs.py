"""How far wide events have been resolved, in memory."""

from service.ports import FanOut


class FakeFanOuts:
    """Implements the FanOuts port."""

    def __init__(self) -> None:
        self.positions: dict[str, FanOut] = {}

    async def get(self, event: str) -> FanOut | None:
        return self.positions.get(event)

    async def put(self, event: str, fan_out: FanOut) -> None:
        self.positions[event] = fan_out

    async def drop(self, event: str) -> None:
        self.positions.pop(event, None)
