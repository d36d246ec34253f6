"""The formula of the machines, on costs that can be checked by hand."""

from dataclasses import replace

import pytest

from bench.capacity.figures import PROCESSES, TOPICS, Cost, Figures, batch_us_of, busy_us, cost_of, mixed
from bench.capacity.holds import HoldCost, HoldFigures
from bench.capacity.measure import Round
from bench.capacity.model import (
    LEAST_BROKERS,
    LEAST_WORKERS,
    PARTITIONS_A_WORKER,
    Demand,
    Machine,
    Waiting,
    entry_bytes,
    plan,
    primaries_by_cpu,
    primaries_by_memory,
)

_SHARES = {"inbox": 0.5, "email": 0.5}
_GIB = 2**30


def _cost(us: float, redis_bytes: float = 100.0) -> Cost:
    return Cost(
        cpu_us=dict.fromkeys(PROCESSES, us),
        kafka_bytes=dict.fromkeys(TOPICS, 1000.0),
        redis_bytes={"ledger": redis_bytes, "index": 10.0, "inbox": 200.0, "other": 0.0},
        spread=dict.fromkeys(PROCESSES, 0.0),
    )


_HOLDS = HoldFigures(
    HoldCost(1000.0, 50.0, {**dict.fromkeys(PROCESSES, 0.0), "email": 200.0, "schedule": 20.0}),
    {
        10: HoldCost(600.0, 80.0, {**dict.fromkeys(PROCESSES, 0.0), "email": 40.0}),
        100: HoldCost(500.0, 70.0, {**dict.fromkeys(PROCESSES, 0.0), "email": -60.0}),
    },
)
_FIGURES = Figures(
    mixes={"inbox": _cost(100.0), "email": _cost(300.0), "both": _cost(200.0), "fan_out": _cost(200.0)},
    idle_cores=dict.fromkeys(PROCESSES, 0.0),
    batch_us=dict.fromkeys(("resolve", "inbox", "email"), 1000.0),
    connections={},
    memory_mib=dict.fromkeys(("resolve", "inbox", "email", "schedule"), 100.0),
    dataset_ratio=1.0,
    length_bytes={
        "inbox": {10: 400.0, 100: 300.0, 1000: 250.0},
        "index": {10: 30.0, 100: 20.0, 1000: 10.0},
    },
    dropped_id_bytes=50.0,
    expiry_us=0.0,
    dkim_us=1000.0,
    holds=_HOLDS,
)


def _demand(day: float) -> Demand:
    return Demand(day, _SHARES, dkim=False)


def test_cores_are_rate_times_cost() -> None:
    """86.4 million a day are 1,000 a second, 3,000 in the busiest hour; at 200 µs each they take 0.6 cores."""
    result = plan(_FIGURES, _demand(86.4e6))
    assert result.peak_rate == pytest.approx(3000.0)
    assert result.cores["resolve"] == pytest.approx(0.6)
    assert result.workers["resolve"] == LEAST_WORKERS
    assert result.partitions == PARTITIONS_A_WORKER * LEAST_WORKERS


def test_a_signature_is_added_to_email_only() -> None:
    """Half of the deliveries are mail, and each has a signature of 1 ms: 1.5 cores at 3,000 a second."""
    signed = plan(_FIGURES, replace(_demand(86.4e6), dkim=True))
    assert signed.cores["email"] == pytest.approx(0.6 + 1.5)
    assert signed.cores["inbox"] == pytest.approx(0.6)
    assert signed.workers["email"] == 4


def test_ten_times_the_deliveries_take_ten_times_of_all_that_grows() -> None:
    """Cores, memory and disk are proportional; what has a least number is not."""
    small, large = plan(_FIGURES, _demand(1e8)), plan(_FIGURES, _demand(1e9))
    for role in PROCESSES:
        assert large.cores[role] == pytest.approx(10 * small.cores[role])
    for name, gib in small.redis_gib.items():
        assert large.redis_gib[name] == pytest.approx(10 * gib)
    for topic, size in small.disk_tb.items():
        assert large.disk_tb[topic] == pytest.approx(10 * size)
    assert large.relay_connections == pytest.approx(10 * small.relay_connections, rel=0.01)
    assert all(large.machines[name] >= n for name, n in small.machines.items())


def test_redis_keeps_ledger_index_and_inbox_each_for_its_time() -> None:
    """A million a day: 11.25 days of rows; 200,000 recipients with 150 places in the index and 225 entries."""
    gib = plan(_FIGURES, _demand(1e6)).redis_gib
    assert gib["ledger"] * _GIB == pytest.approx(1e6 * 9 * 1.25 * 100)
    assert gib["index"] * _GIB == pytest.approx(200_000 * 150 * entry_bytes(_FIGURES, "index", 150))
    assert gib["inbox"] * _GIB == pytest.approx(200_000 * 225 * entry_bytes(_FIGURES, "inbox", 225))
    assert gib["dropped ids"] == 0
    assert gib["waiting"] == 0


def test_inboxes_whose_entries_expire_take_cpu_of_redis() -> None:
    """Of 3,000 a second half are inbox entries; of 2.5 and one more, one reads 225 others at 1 µs."""
    cores = plan(replace(_FIGURES, expiry_us=1.0), _demand(86.4e6)).cores
    assert cores["redis"] == pytest.approx(0.6 + 1500 * 225e-6 / 3.5)


def test_index_and_inbox_have_a_cap() -> None:
    """A recipient of 1,000 a day has 2,000 places in the index, 1,000 entries, and 2,000 ids of earlier ones."""
    gib = plan(_FIGURES, replace(_demand(1e6), recipient_deliveries_a_day=1000.0)).redis_gib
    assert gib["index"] * _GIB == pytest.approx(1000 * 2000 * 10)
    assert gib["inbox"] * _GIB == pytest.approx(1000 * 1000 * 250)
    assert gib["dropped ids"] * _GIB == pytest.approx(1000 * 2000 * 50)


def test_disk_has_a_day_more_than_the_retention_and_all_replicas() -> None:
    """A segment of one day is deleted as a whole."""
    result = plan(_FIGURES, _demand(1e6))
    assert result.disk_tb["dispatch.inbox"] == pytest.approx(1e6 * 1000 * 91 * 3 / 1e12)
    assert result.brokers == LEAST_BROKERS
    assert plan(_FIGURES, _demand(1e9)).brokers_by_disk == 216  # 603 TB in 2.8 each


def test_relay_connections_follow_little() -> None:
    """Mail in the busiest hour times the time that each occupies a connection."""
    assert plan(_FIGURES, _demand(86.4e6)).relay_connections == 150


def test_an_inbox_entry_is_interpolated() -> None:
    """Between two measured lengths by the logarithm, outside of them the nearest."""
    assert entry_bytes(_FIGURES, "inbox", 1) == 400.0
    assert entry_bytes(_FIGURES, "inbox", 31.6227766) == pytest.approx(350.0)
    assert entry_bytes(_FIGURES, "inbox", 1000) == 250.0
    assert entry_bytes(_FIGURES, "inbox", 5000) == 250.0


def test_held_mail_waits_beside_all_else() -> None:
    """Half of a million is mail; two fifths of it wait at once for their hour, and a half for two days in digests."""
    waiting = Waiting(alone=0.4, digested=0.5, digest_days=2.0, digest_items=10.0)
    plain, held = (replace(_demand(1e6), waiting=one) for one in (Waiting(), waiting))
    gib = plan(_FIGURES, held).redis_gib
    assert gib["waiting"] * _GIB == pytest.approx(500_000 * (0.4 * 1000 + 0.5 * 2 * 600))
    rows = 9 * 1.25 * 1e6
    assert gib["ledger"] * _GIB == pytest.approx(rows * (100 + 0.5 * (0.4 * 50 + 0.5 * 80)))
    more_us = 0.5 * (0.4 * 200 + 0.5 * 40)
    cores = [plan(_FIGURES, demand).cores for demand in (plain, held)]
    assert cores[1]["email"] - cores[0]["email"] == pytest.approx(plain.peak_rate * more_us / 1e6)
    disk = [plan(_FIGURES, demand).disk_tb for demand in (plain, held)]
    assert disk[1]["dispatch.email"] == pytest.approx(disk[0]["dispatch.email"] * (1 + 0.5 * (0.4 + 0.05)))
    assert disk[1]["dispatch.inbox"] == disk[0]["dispatch.inbox"]


def test_a_digest_is_one_message() -> None:
    """Mail that is all in digests of ten needs a tenth of the connections and of the signatures."""
    demand = replace(_demand(86.4e6), waiting=Waiting(digested=1.0), dkim=True)
    assert plan(_FIGURES, demand).relay_connections == 15
    assert demand.messages_share == pytest.approx(0.05)


def test_the_cost_of_an_item_is_interpolated() -> None:
    """Between two measured sizes by the logarithm, outside of them the nearest."""
    assert _HOLDS.item(1) == _HOLDS.item(10)
    assert _HOLDS.item(31.6227766).waiting_bytes == pytest.approx(550.0)
    assert _HOLDS.item(31.6227766).cpu_us["email"] == pytest.approx(-10.0)
    assert _HOLDS.item(5000).waiting_bytes == 500.0


def test_primaries_by_memory_hold_the_fullest() -> None:
    """Of 3 primaries, one has 22 of the 64 shards."""
    assert primaries_by_memory({"ledger": 1.0, "index": 0.0, "inbox": 0.0}) == 1
    assert primaries_by_memory({"ledger": 48.0, "index": 0.0, "inbox": 0.0}) == 4
    assert primaries_by_memory({"ledger": 64.0, "index": 1000.0, "inbox": 0.0}) == 67
    assert primaries_by_memory({"ledger": 64 * 20.0, "index": 0.0, "inbox": 0.0}) == 80
    with pytest.raises(ValueError, match="shard"):
        primaries_by_memory({"ledger": 64 * 24.1, "index": 0.0, "inbox": 0.0})


def test_primaries_by_cpu_keep_the_busiest_below_the_utilisation() -> None:
    """A primary has one core, and a replica costs 7 %."""
    assert primaries_by_cpu(0.5, 0.6) == 1
    assert primaries_by_cpu(1.0, 0.6) == 2
    assert primaries_by_cpu(1.7, 0.6) == 4  # of 3, the busiest has 22/64
    with pytest.raises(ValueError, match="64"):
        primaries_by_cpu(64.0, 0.6)


def test_larger_machines_are_fewer() -> None:
    """Cores, memory and disk of a machine divide what is needed."""
    small = plan(_FIGURES, _demand(1e9), Machine(cores=4, memory_gib=32, disk_tb=2))
    large = plan(_FIGURES, _demand(1e9), Machine(cores=16, memory_gib=256, disk_tb=8))
    assert all(large.machines[name] < small.machines[name] for name in small.machines)


def _round(deliveries: int, elapsed_s: float, us: float) -> Round:
    return Round(
        {"both": deliveries},
        elapsed_s,
        dict.fromkeys(PROCESSES, us * deliveries),
        {"ledger": 130 * deliveries, "used": 0},
        {"events": 200 * deliveries},
        0,
        0,
    )


def test_costs_are_medians_without_idle_cpu() -> None:
    """A worker that takes 0.01 cores without work takes 10 ms of a second."""
    idle = dict.fromkeys(PROCESSES, 0.01)
    rounds = [_round(1000, 1.0, us) for us in (110.0, 210.0, 160.0)]
    assert busy_us(rounds[0], idle)["redis"] == pytest.approx(100_000.0)
    cost = cost_of(rounds, idle)
    assert cost.cpu_us["redis"] == pytest.approx(150.0)
    assert cost.spread["redis"] == pytest.approx(100 / 150)
    assert cost.redis_bytes["ledger"] == 130.0
    assert cost.kafka_bytes["events"] == 200.0


def test_the_cpu_of_a_batch_follows_from_two_sizes() -> None:
    """10 µs a record and 1 ms a batch: half a record a delivery costs 5 + 20 µs, or 5 + 1 µs."""
    batch_us = batch_us_of(_cost(5 + 20.0), _cost(5 + 1.0), 25, 500)
    assert batch_us["resolve"] == pytest.approx(1000.0)


def test_a_mixture_is_the_weighted_mean() -> None:
    """A quarter of one and three of the other."""
    cost = mixed(_FIGURES, {"inbox": 0.25, "email": 0.75})
    assert cost.cpu_us["kafka"] == pytest.approx(250.0)


def test_figures_survive_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Saved and loaded, with four digits."""
    _FIGURES.save(tmp_path / "figures.json")
    assert Figures.load(tmp_path / "figures.json", _HOLDS) == _FIGURES
    _HOLDS.save(tmp_path / "holds.json")
    assert HoldFigures.load(tmp_path / "holds.json") == _HOLDS
