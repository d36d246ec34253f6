"""Rate limits for messages to a relay, and through it to a domain: counted in Redis, so that workers share them."""

from collections.abc import Mapping

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script
from service.model.address import ascii_domain

_RESERVE = Script("rate_reserve")
_US = 1_000_000
_LONGEST_WAIT_S = 30.0  # a message that would wait longer comes back unsent, so nothing is reserved for it


class RedisSendingRate:
    """Implements the SendRateLimit port. Rates are messages a second; a relay or domain without one is not limited.

    `relays`: rate of each relay, by name. `domains`: rate of each destination domain, through each relay; `domain`: of
    all other domains. `burst_s`: how much of a rate may be sent at once after a pause, in seconds.
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
        self._domains = {(ascii_domain(name) or name).lower(): rate for name, rate in domains.items()}
        self._domain = domain
        self._burst_us = int(burst_s * _US)

    def is_limited(self, domain: str) -> bool:
        """Return whether the domain has a rate of its own, or the common one."""
        return bool(self._domains.get(domain.lower(), self._domain))

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        """Reserve `n` messages to a domain, or with no domain of the relay's own rate.

        Return the seconds to wait before they may be sent. Raise Unavailable.
        """
        if not domain:
            rate, key = self._relays.get(relay), self._store.keys.rate(relay)
        else:
            rate = self._domains.get(domain.lower(), self._domain)
            key = self._store.keys.rate(relay, domain.lower())
        return await self._reserve(key, rate, n) if rate else 0.0

    async def _reserve(self, key: str, rate: float, n: int) -> float:
        longest_us = int(_LONGEST_WAIT_S * _US)
        (wait_us,) = await self._store.run_script(
            _RESERVE, key, n, int(_US / rate), self._burst_us, longest_us
        )
        return int(wait_us) / _US
