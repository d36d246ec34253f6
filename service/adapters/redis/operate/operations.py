"""Progress of operators' operations: a hash each, which expires."""

from collections.abc import Sequence

import orjson

from service.adapters.redis.client import Store
from service.ports import OperationProgress

_KEEP_S = 7 * 86_400


class RedisOperations:
    """Implements the Operations port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, progress: OperationProgress) -> bool:
        """Write how far an operation is; kept for a week. Return whether an operator wants it to be cancelled."""
        key = self._store.keys.operation(progress.id)
        document = orjson.dumps(
            {
                "total": progress.total,
                "counts": progress.counts,
                "at_ms": progress.at_ms,
                "error": progress.error,
            }
        )
        _, _, cancel = await self._store.pipeline(
            [("HSET", key, "progress", document), ("EXPIRE", key, _KEEP_S), ("HGET", key, "cancel")]
        )
        return cancel is not None

    async def progress(self, ids: Sequence[str]) -> Sequence[OperationProgress | None]:
        """Return how far each operation is; None where that is not known."""
        rows = await self._store.pipeline(
            [("HGET", self._store.keys.operation(id_), "progress") for id_ in ids]
        )
        return [
            OperationProgress(id_, **orjson.loads(row)) if row else None
            for id_, row in zip(ids, rows, strict=True)
        ]

    async def cancel(self, id_: str) -> None:
        """Note that the operation is to be cancelled; a process that runs it sees that with its next `put`."""
        key = self._store.keys.operation(id_)
        await self._store.pipeline([("HSET", key, "cancel", "1"), ("EXPIRE", key, _KEEP_S)])
