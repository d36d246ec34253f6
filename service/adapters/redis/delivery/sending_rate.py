"""How many mails a second may go to a relay, and through it to a domain: counted in Redis, so that workers share it."""

from collections.abc import Mapping

from service.adapters.redis.client import Script, Store

_TAKE = Script("rate_take")
_US = 1_000_000
_MOST_WAIT_S = 30.0  # who would wait longer goes to the due set, so nothing is reserved for it


class RedisSendingRate:
    """The SendRateLimit port of the SMTP engine. Rates in mails a second; what has none is not limited.

    `relays`: by name. `domains`: by destination domain, each through each relay; `domain`: for all the others.
    `burst_s`: how much of a rate may go at once after a pause, in seconds.
    """

    def __init__(
        self,
        store: Store,
        relays: Mapping[str, float],
        domains: Mapping[str, float],
        domain: float | None = None,
        *,
        burst_s: float = 0.1,
    ) -> None:
        self._store = store
        self._relays = relays
        self._domains = {name.lower(): rate for name, rate in domains.items()}
        self._domain = domain
        self._burst_us = int(burst_s * _US)

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        """Reserve `n` mails; the seconds to wait before they may go. Raises Unavailable.

        The domain is asked first: its limit is the narrower one, and what it refuses must not use up the relay's.
        """
        wait = 0.0
        if rate := self._domains.get(domain.lower(), self._domain):
            wait = await self._take(self._store.keys.rate(relay, domain.lower()), rate, n)
        if wait <= _MOST_WAIT_S and (rate := self._relays.get(relay)):
            wait = max(wait, await self._take(self._store.keys.rate(relay), rate, n))
        return wait

    async def _take(self, key: str, rate: float, n: int) -> float:
        most = int(_MOST_WAIT_S * _US)
        (wait,) = await self._store.script(_TAKE, key, n, int(_US / rate), self._burst_us, most)
        return int(wait) / _US
