"""Reports of the workers on their relays: a hash with a field for each worker."""

from collections.abc import Sequence

import orjson

from service.adapters.redis.client import Store
from service.model.relay import RelayReport

_FRESH_MS = 15_000  # a worker reports every two seconds
_KEEP_S = 3600


class RedisRelayReports:
    """Implements the RelayReports port."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = store.keys.relay_reports()

    async def put(self, worker: str, reports: Sequence[RelayReport], at_ms: int) -> None:
        """Replace the reports of a worker."""
        document = {"at_ms": at_ms, "relays": [one._replace(worker=worker).document() for one in reports]}
        await self._store.pipeline(
            [("HSET", self._key, worker, orjson.dumps(document)), ("EXPIRE", self._key, _KEEP_S)]
        )

    async def current(self, now_ms: int) -> Sequence[RelayReport]:
        """Return the reports of the last seconds, and forget the workers whose last one is older."""
        (rows,) = await self._store.pipeline([("HGETALL", self._key)])
        reports: list[RelayReport] = []
        gone: list[bytes] = []
        for worker, value in rows.items():
            document = orjson.loads(value)
            if now_ms - int(document["at_ms"]) > _FRESH_MS:
                gone.append(worker)
            else:
                reports += map(RelayReport.from_document, document["relays"])
        if gone:
            await self._store.pipeline([("HDEL", self._key, *gone)])
        return reports
