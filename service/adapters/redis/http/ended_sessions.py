"""Sessions of the console that were signed out."""

from service.adapters.redis.client import Store


class RedisEndedSessions:
    """Implements the EndedSessions port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, session: str, lifetime_s: int) -> None:
        """Note a session until it could not be used any more."""
        await self._store.pipeline([("SET", self._store.keys.ended_session(session), b"1", "EX", lifetime_s)])

    async def contains(self, session: str) -> bool:
        """Return whether a session was signed out."""
        (stored,) = await self._store.pipeline([("GET", self._store.keys.ended_session(session))])
        return stored is not None
