"""How far wide events have been resolved."""

from msgspec import DecodeError, json

from service.adapters.redis.client import Store
from service.ports import FanOut


class RedisFanOuts:
    """Implements the FanOuts port. `keep_s`: how long a fan-out is kept that no worker continues, in seconds."""

    def __init__(self, store: Store, *, keep_s: int = 86_400) -> None:
        self._store = store
        self._keep_s = keep_s

    async def get(self, event: str) -> FanOut | None:
        """Return how far an event has been dispatched; None where it is not known."""
        (stored,), _ = await self._store.fetch([self._store.keys.fan_out(event)])
        if stored is None:
            return None
        try:
            return json.decode(stored, type=FanOut)
        except DecodeError:  # of another version: the event is dispatched from the beginning
            return None

    async def put(self, event: str, fan_out: FanOut) -> None:
        """Save how far an event has been dispatched."""
        command = ("SET", self._store.keys.fan_out(event), json.encode(fan_out), "EX", self._keep_s)
        await self._store.pipeline([command])

    async def drop(self, event: str) -> None:
        """Forget an event."""
        await self._store.pipeline([("DEL", self._store.keys.fan_out(event))])
