"""Redis marked as complete without anything that fills it, for tests of something else."""

from service.adapters.redis.client import Store
from service.adapters.redis.completeness import YES
from tests.support.redis_cluster import is_shared, mark_every_slot

_MARKS_A_CALL = 1000


async def mark_complete(store: Store) -> None:
    """Set every mark to complete, also where there is none."""
    if is_shared(store):
        mark_every_slot(store)
        return
    marks = store.completeness_marks.all()
    for start in range(0, len(marks), _MARKS_A_CALL):
        await store.pipeline([("SET", mark, YES) for mark in marks[start : start + _MARKS_A_CALL]])
