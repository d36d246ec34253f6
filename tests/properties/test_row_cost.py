"""What a row of a table costs: up to a megabyte of addresses, each of which must be checked."""

import contextlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from service.model.event import InvalidEvent
from service.model.record import Record
from service.model.topics import TopicNames
from service.pipeline.tables.preference_records import PreferenceApplier
from service.pipeline.tables.records import read_change
from service.pipeline.tables.stage import TablesHandler
from service.pipeline.tables.writer import TableStores
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeAccounts, FakeApiKeys
from tests.fakes.row_locks import FakeRowLocks
from tests.fakes.tables import FakeTables
from tests.support.catalogues import small_catalogue
from tests.support.cost_growth import assert_no_costlier, short_pauses

pytestmark = pytest.mark.exhaustive

NOW = 1_700_000_000_000


def group(address: Callable[[int], Any], number: int) -> Record:
    """Return a row with so many addresses, in lists of a thousand."""
    lists = [
        [address(n) for n in range(start, min(start + 1000, number))] for start in range(0, number, 1000)
    ]
    value = orjson.dumps({"external_id": "1", "addresses": {f"t{n}": one for n, one in enumerate(lists)}})
    return Record("tables.groups", 0, 0, NOW, b"1|", value)


def take(record: Record) -> None:
    with contextlib.suppress(InvalidEvent):
        read_change("groups", record, NOW)


ORDINARY = group("user{:04}@example.com".format, 2000)


@pytest.mark.parametrize("address", ["@".format, "a{}".format, int, lambda n: [n], lambda n: None])
def test_a_row_of_wrong_addresses_costs_less_than_one_of_right_ones(address: Callable[[int], Any]) -> None:
    """The first of a list is named; to collect all of them took seconds."""
    assert_no_costlier(group(address, 10_000), ORDINARY, take, times=1)


@pytest.mark.parametrize(
    "address", ["user{:05}@example.com".format, "\u00fc{0:05}@ex\u00e4mple{0}.com".format]
)
async def test_large_rows_hold_up_no_other_task(address: Callable[[int], str]) -> None:
    """Rows of thousands of addresses, many rows, and a suppression with a long text."""
    tables, clock, topics = FakeTables(), FakeClock(NOW), TopicNames()
    stores = TableStores(tables, tables, FakeAccounts(), FakeApiKeys(), tables)
    preferences = PreferenceApplier(stores, FakeRowLocks(), small_catalogue(), topics, clock)
    stage = TablesHandler(stores, preferences, topics, clock)
    rows = [orjson.dumps({"id": str(n), "address": address(n)}) for n in range(500)]
    suppression = orjson.dumps({"reason": "complaint_received", "detail": "@" * 900_000})
    batches = (
        [group(address, 10_000)],
        [Record("tables.recipients", 0, n, NOW, str(n).encode(), row) for n, row in enumerate(rows)],
        [Record("tables.suppressions", 0, 0, NOW, b"a" * 24, suppression)],
    )
    async with short_pauses():
        for batch in batches:
            assert [done async for done in stage(batch)]
    assert len(tables.recipients) == 500
    assert len(tables.groups) == 1
