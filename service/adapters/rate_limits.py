"""Rate limits that all API processes share, counted in Redis by the `limits` library."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.errors import StorageError
from limits.storage import storage_from_string

from service import settings
from service.ports import Quota, Unavailable

_SHARES = 100
_MOST = 50_000


@dataclass(slots=True)
class _Lease:
    """What a process may still let pass in a window without asking, and what all have taken together.

    `owed`: what it took on credit, and tells with its next request.
    """

    window: int
    left: int
    taken: int
    owed: int


class SharedRateLimits:
    """The RateLimits port, by fixed windows that begin at multiples of their length.

    A process takes a hundredth of a limit at a time, the first of them on credit: who asks now and then costs Redis
    nothing, and a limit of a hundred or more may be exceeded by a hundredth for each process. Who was refused once is
    refused for the rest of the window without asking again.
    """

    def __init__(self, redis: settings.RedisSettings, now: Callable[[], float] = time.time) -> None:
        url = redis.url.get_secret_value()
        scheme, _, rest = url.partition("://")
        options: dict[str, Any] = {"socket_timeout": redis.timeout, "socket_connect_timeout": redis.timeout}
        if redis.ca_file is not None and scheme == "rediss":
            options["ssl_ca_certs"] = str(redis.ca_file)
        self._storage = cast(
            Storage,
            storage_from_string(
                f"async+redis+cluster://{rest}" if redis.cluster else f"async+{url}",
                implementation="redispy",
                key_prefix=f"{redis.prefix}limits",
                wrap_exceptions=True,
                **options,
            ),
        )
        self._now = now
        self._leases: dict[tuple[str, str], _Lease] = {}

    async def hit(self, limit: str, who: str) -> Quota:
        """Count one request of `who` against `limit` (`600/minute`). Raises Unavailable, ValueError."""
        item = _parsed(limit)
        length, now = item.get_expiry(), self._now()
        window = int(now // length)
        lease = self._leases.get((limit, who))
        if lease is None or lease.window != window:
            credit = item.amount // _SHARES
            lease = self._leases[limit, who] = _Lease(window, credit, credit, credit)
            self._tidy(now)
        if lease.left == 0 and lease.taken < item.amount:
            await self._take(item, who, lease)
        allowed = lease.left > 0
        lease.left -= allowed
        remaining = max(0, item.amount - lease.taken) + lease.left
        reset = max(1, round((window + 1) * length - now))
        return Quota(allowed, item.amount, remaining, length, reset)

    async def _take(self, item: RateLimitItem, who: str, lease: _Lease) -> None:
        share = max(1, item.amount // _SHARES)
        owed, lease.owed = lease.owed, 0
        try:
            taken = await self._storage.incr(
                item.key_for(who, str(lease.window)), item.get_expiry(), amount=share + owed
            )
        except StorageError as error:
            lease.owed += owed
            raise Unavailable("redis: rate limits cannot be counted") from error
        lease.taken = taken
        lease.left += max(0, min(share, item.amount - (taken - share)))

    def _tidy(self, now: float) -> None:
        if len(self._leases) <= _MOST:
            return
        self._leases = {
            (limit, who): lease
            for (limit, who), lease in self._leases.items()
            if lease.window == int(now // _parsed(limit).get_expiry())
        }


@lru_cache(maxsize=64)
def _parsed(limit: str) -> RateLimitItem:
    return parse(limit)
