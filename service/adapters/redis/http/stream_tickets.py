"""Tickets of live streams. Only hashes of their secrets are stored."""

from hashlib import sha256

from service.adapters.redis.client import Store
from service.ports import STREAM_TICKET_S, StreamTicket


class RedisStreamTickets:
    """Implements the StreamTickets port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, secret: str, ticket: StreamTicket) -> None:
        """Store a ticket for half a minute."""
        value = f"{ticket.until_s!r}\n{ticket.recipient}"
        await self._store.pipeline([("SET", self._key(secret), value.encode(), "EX", STREAM_TICKET_S)])

    async def take(self, secret: str) -> StreamTicket | None:
        """Return a ticket and delete it, in one command: two requests with the same secret cannot both have it."""
        (stored,) = await self._store.pipeline([("GETDEL", self._key(secret))])
        if stored is None:
            return None
        until_s, _, recipient = stored.decode().partition("\n")
        return StreamTicket(recipient, float(until_s))

    def _key(self, secret: str) -> str:
        return self._store.keys.stream_ticket(sha256(secret.encode(errors="surrogatepass")).hexdigest())
