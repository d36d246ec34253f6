"""The inbox against a plain list: after any operations in any order both have the same contents."""

import asyncio
import math
from collections import Counter
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from service import settings as tocsin
from service.adapters.redis.client import Store
from service.ports import InboxItem, InboxQuery, ReadFilter
from tests.specs.backend import Backend, fake_backend, redis_backend
from tests.support.redis_cluster import shared_cluster
from tests.support.stack import shared_valkey

CAP = 5
BOB = "bob"
IDS = st.sampled_from([f"i{n}" for n in range(12)])
TYPES = st.sampled_from(["overbid", "winner", "other"])
START = 1_700_000_000_000


class PlainInbox:
    """The model: a list of entries, and the ids of dropped ones with the times at which these expire."""

    def __init__(self) -> None:
        self.items: list[InboxItem] = []
        self.dropped: dict[str, float] = {}
        self.now = START

    def purge(self) -> None:
        self.drop(lambda item: 0 < item.expires_ms <= self.now)

    def drop(self, condition) -> int:  # type: ignore[no-untyped-def]
        victims = [item for item in self.items if condition(item)]
        self.dropped |= {item.id: item.expires_ms or math.inf for item in victims}
        self.items = [item for item in self.items if item not in victims]
        return len(victims)

    def add(self, items: list[InboxItem]) -> list[bool]:
        added = []
        for item in items:
            is_expired = 0 < item.expires_ms <= self.now
            was_dropped = self.dropped.get(item.id, 0) > self.now
            added.append(not is_expired and not was_dropped and all(item.id != one.id for one in self.items))
            if added[-1]:
                self.items.append(item)
        self.purge()
        over = sorted(self.items, key=lambda one: (one.read_ms == 0, one.created_ms, one.id))
        victims = {one.id for one in over[: max(0, len(over) - CAP)]}
        self.drop(lambda one: one.id in victims)
        return added

    def mark(self, item_id: str, at_ms: int) -> bool | None:
        for n, item in enumerate(self.items):
            if item.id == item_id:
                self.items[n] = item._replace(read_ms=item.read_ms or at_ms)
                return item.read_ms == 0
        return None

    def listed(self, shown: ReadFilter) -> list[InboxItem]:
        fits = {ReadFilter.all: (True, False), ReadFilter.read: (True,), ReadFilter.unread: (False,)}[shown]
        items = [item for item in self.items if bool(item.read_ms) in fits]
        return sorted(items, key=lambda item: (item.created_ms, item.id))


class InboxMachine(RuleBasedStateMachine):
    """Runs the same operations on a backend and on the model."""

    kind = "fake"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = PlainInbox()
        self.store: Store | None = None
        self.backend: Backend

    @initialize()
    def open(self) -> None:
        if self.kind == "fake":
            self.backend = fake_backend()
        else:
            cluster = self.kind == "cluster"
            url = shared_cluster() if cluster else shared_valkey().url
            redis = tocsin.RedisSettings(url=SecretStr(url), cluster=cluster, prefix=f"{uuid4().hex}:")
            self.store = self.runner.run(_open(redis))
            self.backend = redis_backend(self.store)
        self.backend.clock.now = START

    def teardown(self) -> None:
        if self.store is not None:
            self.runner.run(self.store.close())
        self.runner.close()

    @rule(new=st.lists(st.tuples(IDS, st.integers(0, 3), TYPES, st.sampled_from([0, 0, 2, 5])), max_size=8))
    def add(self, new: list[tuple[str, int, str, int]]) -> None:
        items = [
            InboxItem(i, BOB, kind, 1, created, {}, expires_ms=START + expires_in if expires_in else 0)
            for i, created, kind, expires_in in new
        ]
        assert list(self.runner.run(self.backend.inbox.add(items))) == self.model.add(items)

    @rule(ids=st.lists(IDS, max_size=4), at_ms=st.integers(1, 9))
    def mark_read(self, ids: list[str], at_ms: int) -> None:
        self.model.purge()
        expected = [self.model.mark(one, at_ms) for one in ids]
        assert list(self.runner.run(self.backend.inbox.mark_read(BOB, ids, at_ms))) == expected

    @rule(ids=st.lists(IDS, max_size=3, unique=True))
    def remove(self, ids: list[str]) -> None:
        self.model.purge()
        expected = self.model.drop(lambda one: one.id in ids)
        assert self.runner.run(self.backend.inbox.remove(BOB, ids)) == expected

    @rule(by_ms=st.integers(1, 3))
    def time_passes(self, by_ms: int) -> None:
        self.model.now += by_ms
        self.backend.clock.advance(by_ms)

    @rule(shown=st.sampled_from(ReadFilter), descending=st.booleans(), limit=st.integers(1, 3))
    def pages(self, shown: ReadFilter, descending: bool, limit: int) -> None:
        self.model.purge()
        expected = self.model.listed(shown)
        assert self.runner.run(self._paged(shown, descending, limit)) == (
            expected[::-1] if descending else expected
        )

    async def _paged(self, shown: ReadFilter, descending: bool, limit: int) -> list[InboxItem]:
        seen: list[InboxItem] = []
        after = ""
        while True:
            query = InboxQuery(BOB, shown, descending=descending, after=after, limit=limit)
            page = await self.backend.reads.page(query)
            seen += page.items
            if not page.cursor:
                return seen
            after = page.cursor

    @invariant()
    def counts_are_the_unread_list(self) -> None:
        if not hasattr(self, "backend"):
            return
        self.model.purge()
        unread = self.model.listed(ReadFilter.unread)
        assert list(self.runner.run(self.backend.inbox.unread(BOB))) == unread
        assert self.runner.run(self.backend.inbox.counts(BOB)) == Counter(one.type for one in unread)
        assert self.runner.run(self.backend.drift(BOB)) == []


async def _open(redis: tocsin.RedisSettings) -> Store:
    return Store(redis)


@pytest.mark.parametrize(("kind", "examples"), [("fake", 60), ("valkey", 60), ("cluster", 10)])
def test_inbox_is_a_plain_list(kind: str, examples: int) -> None:
    """Lists, counts, pages and results are those of a plain list after every step, without drift."""
    machine = type(f"{kind}_machine", (InboxMachine,), {"kind": kind})
    run = settings(
        max_examples=examples,
        stateful_step_count=20,
        report_multiple_bugs=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=run)
