"""The due set leases large deliveries a few at a time."""

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.due import RedisDueSet
from service.model.delivery import json_document
from tests.specs.test_due import delivery
from tests.support.completeness import mark_complete
from tests.support.cost_growth import short_pauses


async def test_what_is_held_in_memory_is_bounded(store: Store) -> None:
    """Whatever the limit is; all are leased in the end, small ones and costly ones, and others run meanwhile."""
    await mark_complete(store)
    due = RedisDueSet(store)
    costly = [delivery(n).replace(document=json_document({"x": [[]] * 60_000})) for n in range(60)]
    added = [*costly, *(delivery(n) for n in range(100, 400))]
    for start in range(0, len(added), 20):
        part = added[start : start + 20]
        await due.add(part, [100] * len(part))

    taken: list[str] = []
    async with short_pauses():
        while leased := await due.take(100, 500):
            assert sum(len(memoryview(one.delivery.document)) > 1000 for one in leased) <= 48
            taken += (one.delivery.id for one in leased)
    assert sorted(taken) == sorted(one.id for one in added)
