"""Redis marked as complete without anything that fills it, for tests of something else."""

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import YES
from tests.support.redis_cluster import mark_every_slot


async def mark_complete(store: Store) -> None:
    """Set every mark to complete, also where there is none."""
    if store.cluster:
        mark_every_slot(store)
    else:
        await store.pipeline([("SET", store.keys.complete, YES)])
