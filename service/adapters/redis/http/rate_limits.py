"""Rate limits of callers, counted in Redis, so that all API processes share them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Script
from service.ports import Quota, Unavailable
from service.settings.limits import RateLimit, parse_rate_limit

_TAKE = Script("rate_limit_take")
_SHARES_PER_LIMIT = 100
_MAX_LEASES = 50_000


@dataclass(slots=True)
class _Lease:
    """The requests that this process can still allow in a window without a call to Redis.

    `taken`: the requests taken by all processes together, as last known. `unreported`: the requests taken on credit,
    added to the count in Redis by the next call.
    """

    window: int
    left: int
    taken: int
    unreported: int


class RedisRateLimits:
    """Implements the RateLimits port, with fixed windows that begin at multiples of their length.

    A process takes a hundredth of a limit at a time, the first of them on credit: a client with few requests costs
    Redis nothing, and a limit of a hundred or more can be exceeded by a hundredth for each process. After the first
    refusal a client is refused for the rest of the window without another call to Redis.
    """

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._leases: dict[tuple[str, str], _Lease] = {}

    async def hit(self, limit: str, who: str, cost: int = 1) -> Quota:
        """Count `cost` requests of `who` against `limit` (`600/minute`), or none if there are not as many left.

        Return the quota that is left. Raise Unavailable when Redis cannot be reached, ValueError for a limit that
        cannot be parsed.
        """
        rate, now = parse_rate_limit(limit), self._now()
        window = int(now // rate.window_s)
        lease = self._leases.get((limit, who))
        if lease is None or lease.window != window:
            credit = rate.amount // _SHARES_PER_LIMIT
            lease = self._leases[limit, who] = _Lease(window, credit, credit, credit)
            self._drop_expired(now)
        if lease.left < cost and lease.taken < rate.amount:
            await self._take_share(rate, who, lease, cost - lease.left)
        allowed = lease.left >= cost
        lease.left -= cost * allowed
        remaining = max(0, rate.amount - lease.taken) + lease.left
        reset_s = max(1, round((window + 1) * rate.window_s - now))
        return Quota(allowed, rate.amount, remaining, rate.window_s, reset_s)

    async def _take_share(self, rate: RateLimit, who: str, lease: _Lease, needed: int) -> None:
        """Add one more share to the lease, at least what is needed; report the credit to Redis. Raise Unavailable."""
        share = max(needed, rate.amount // _SHARES_PER_LIMIT)
        # Before the call: a request served during it must not report the same credit a second time.
        unreported, lease.unreported = lease.unreported, 0
        try:
            key = self._store.keys.rate_limit(f"{who}/{lease.window}/{rate.amount}/{rate.window_s}")
            (taken,) = await self._store.run_script(_TAKE, key, share + unreported, rate.window_s)
        except Unavailable:
            lease.unreported += unreported
            raise
        lease.taken = taken
        lease.left += max(0, min(share, rate.amount - (taken - share)))

    def _drop_expired(self, now: float) -> None:
        if len(self._leases) <= _MAX_LEASES:
            return
        self._leases = {
            (limit, who): lease
            for (limit, who), lease in self._leases.items()
            if lease.window == int(now // parse_rate_limit(limit).window_s)
        }
        # Callers can be invented. The oldest go half at a time, so that a new one does not cost a look at all of them.
        for key in list(islice(self._leases, max(0, len(self._leases) - _MAX_LEASES // 2))):
            del self._leases[key]
