"""The formula: from deliveries a day to cores, workers, partitions, Redis, Kafka, relay connections and machines.

1. Peak rate = deliveries a day / 86,400 * peak factor.
2. Cores of a role = peak rate * CPU of a delivery; workers = cores / utilisation, rounded up.
3. Redis: bytes of a delivery by class * how many of the class are kept; as many primaries as the memory needs or as the
   CPU needs, whichever is more. Mail that waits: all that a day holds may wait at the same moment.
4. Kafka: bytes of a delivery by topic * days of retention * replicas; brokers likewise.
5. Machines: what of a role fits on one, rounded up.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bench.capacity.figures import Figures, mixed
from bench.capacity.holds import HoldCost
from bench.capacity.mixes import MIXES
from service.model.ids import LEDGER_SHARDS

DAY_S = 86_400
PEAK_FACTOR = 3.0
"""Rate of the busiest hour, divided by the day's mean: mail and app traffic follow waking hours of a continent."""
UTILISATION = 0.6
"""Of a core or a primary in the busiest hour. At 0.6 a queue of batches is short, and 0.4 is left for a lost machine,
retries, and a backlog."""
LEAST_WORKERS = 2
"""Of each role, on different machines, so that one may stop."""
LEAST_BROKERS = 3
KAFKA_REPLICAS = 3
"""With min.insync.replicas=2, so that one broker may stop and no acknowledged record is lost with another."""
REDIS_REPLICAS = 1
"""Of each primary, for fail-over."""
REPLICATION_CPU = 1.07
"""CPU of a primary with a replica, divided by that without: `python -m bench.redis_replicas`."""
PARTITIONS_A_WORKER = 3
"""So that partitions are spread evenly enough (4 of 3 on one worker is the exception), and workers may be added."""
RECIPIENT_DELIVERIES_A_DAY = 5.0
LEDGER_SPARE = 1.25
"""Mean time for which a row is kept, divided by its retention: a segment ends at most half a retention later."""
ACTIVE_DAYS = 365.0
"""Of a recipient."""
INDEX_DAYS = 30.0
INDEX_ENTRIES = 2_000
"""The most deliveries of a recipient that the index keeps."""
INBOX_ENTRIES = 1_000
"""The cap of an inbox."""
DROPPED_IDS = 2_000
"""Of entries that have left an inbox because it was full: as many are kept, so that no replay adds them again."""
MEMORY_SHARE = 0.5
"""Of a Redis machine's memory that data may take: a rewrite of the append-only file or a new replica forks the server,
pages that are written meanwhile are copied, and the allocator leaves a part unused."""
PRIMARY_GIB = 16.0
"""Of one server: with more, a restart and a full resynchronisation take minutes, and a fork stops it for longer."""
LARGEST_PRIMARY_GIB = 24.0
"""Of a server whose only shard of the ledger is larger than PRIMARY_GIB."""
DISK_SHARE = 0.7
"""Of a broker's disk: segments are deleted whole, and a lost broker's partitions must fit on the others."""
RELAY_S = 0.1
"""For which a message occupies a connection to a relay. A round trip and the relay's write to its queue: 20 ms of round
trip gave 22 ms (bench/RESULTS.md), and relays on the Internet take longer. Set your own."""
WORKER_ROLES = ("resolve", "inbox", "email")
_GIB, _TB = 2**30, 1e12


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for which each place keeps a delivery. The defaults are those of catalogue and topic table.

    The ledger keeps types with digests, which are most, for nine days, others for seven.
    """

    ledger_days: float = 9.0
    inbox_days: float = 90.0
    topic_days: Mapping[str, float] = field(
        default_factory=lambda: {
            "events": 7.0,
            "dispatch.inbox": 90.0,
            "dispatch.email": 10.0,
            "dispatch.outcomes": 90.0,
        }
    )

    @property
    def index_days(self) -> float:
        """Return how long the index by recipient keeps a delivery: longer than the ledger its row."""
        return max(INDEX_DAYS, 1.5 * self.ledger_days)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The mail that waits. Shares of all mail: `alone`, and `digested` in digests of `digest_items`.

    `alone_days`, `digest_days`: how long. Below a day, all that a day holds may wait at the same moment.
    """

    alone: float = 0.0
    alone_days: float = 0.5
    digested: float = 0.0
    digest_days: float = 1.0
    digest_items: float = 10.0


@dataclass(frozen=True, slots=True)
class Machine:
    """The size of every machine."""

    cores: int = 8
    memory_gib: float = 64.0
    disk_tb: float = 4.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be delivered. `shares`: of the deliveries, by mix; their sum is 1. `relay_s`: see RELAY_S."""

    deliveries_a_day: float
    shares: Mapping[str, float]
    peak_factor: float = PEAK_FACTOR
    recipient_deliveries_a_day: float = RECIPIENT_DELIVERIES_A_DAY
    active_days: float = ACTIVE_DAYS
    relay_s: float = RELAY_S
    utilisation: float = UTILISATION
    retention: Retention = field(default_factory=Retention)
    waiting: Waiting = field(default_factory=Waiting)
    kafka_replicas: int = KAFKA_REPLICAS
    redis_replicas: int = REDIS_REPLICAS
    dkim: bool = True

    @property
    def peak_rate(self) -> float:
        """Return the deliveries a second of the busiest hour."""
        return self.deliveries_a_day / DAY_S * self.peak_factor

    @property
    def inbox_share(self) -> float:
        """Return the share of deliveries that are inbox entries."""
        return sum(share * MIXES[n].inbox / MIXES[n].deliveries for n, share in self.shares.items())

    @property
    def mail_share(self) -> float:
        """Return the share of deliveries that are mail."""
        return 1 - self.inbox_share

    @property
    def messages_share(self) -> float:
        """Return the messages of a delivery: items of digests share one."""
        spared = self.waiting.digested * (1 - 1 / self.waiting.digest_items)
        return self.mail_share * (1 - spared)

    @property
    def recipient_entries_a_day(self) -> float:
        """Return the entries that an inbox gets a day."""
        return self.recipient_deliveries_a_day * self.inbox_share

    @property
    def unexpired_entries(self) -> float:
        """Return the entries that an inbox got and that have not expired."""
        return self.recipient_entries_a_day * min(self.active_days, self.retention.inbox_days)

    @property
    def inbox_entries(self) -> float:
        """Return the entries of an inbox when as many leave as are added."""
        return min(INBOX_ENTRIES, self.unexpired_entries)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demand needs. `cores` are busy ones in the busiest hour; `redis_gib` without replicas, `disk_tb` with."""

    peak_rate: float
    cores: Mapping[str, float]
    workers: Mapping[str, int]
    partitions: int
    redis_gib: Mapping[str, float]
    primaries_by_memory: int
    primaries_by_cpu: int
    disk_tb: Mapping[str, float]
    brokers_by_disk: int
    brokers_by_cpu: int
    relay_connections: int
    machines: Mapping[str, int]

    @property
    def primaries(self) -> int:
        """Return the primaries of Redis."""
        return max(self.primaries_by_memory, self.primaries_by_cpu)

    @property
    def brokers(self) -> int:
        """Return the brokers of Kafka."""
        return max(self.brokers_by_disk, self.brokers_by_cpu, LEAST_BROKERS)


def plan(figures: Figures, demand: Demand, machine: Machine | None = None) -> Plan:
    """Return what a demand needs, by the measured figures, on machines of this size."""
    machine = machine or Machine()
    cores = busy_cores(figures, demand)
    workers = {role: _workers(figures, role, cores[role], demand.utilisation) for role in WORKER_ROLES}
    workers["schedule"] = LEAST_WORKERS  # the due set and the tables: idle in these mixes
    redis_gib = redis_gib_of(figures, demand)
    by_memory = primaries_by_memory(redis_gib)
    by_cpu = primaries_by_cpu(cores["redis"], demand.utilisation)
    disk_tb = disk_tb_of(figures, demand)
    by_disk = math.ceil(sum(disk_tb.values()) / (machine.disk_tb * DISK_SHARE))
    broker_cores = cores["kafka"] * demand.kafka_replicas
    by_broker_cpu = math.ceil(broker_cores / (machine.cores * demand.utilisation))
    primaries = max(by_memory, by_cpu)
    return Plan(
        peak_rate=demand.peak_rate,
        cores=cores,
        workers=workers,
        partitions=PARTITIONS_A_WORKER * max(workers.values()),
        redis_gib=redis_gib,
        primaries_by_memory=by_memory,
        primaries_by_cpu=by_cpu,
        disk_tb=disk_tb,
        brokers_by_disk=by_disk,
        brokers_by_cpu=by_broker_cpu,
        relay_connections=math.ceil(demand.peak_rate * demand.messages_share * demand.relay_s),
        machines={
            "workers": _worker_machines(figures, workers, machine),
            "Redis": _redis_machines(primaries, sum(redis_gib.values()), demand.redis_replicas, machine),
            "Kafka": max(by_disk, by_broker_cpu, LEAST_BROKERS),
        },
    )


def busy_cores(figures: Figures, demand: Demand) -> dict[str, float]:
    """Return the cores that the deliveries of the busiest hour take, by process. Idle cores are not in them."""
    cores = {name: demand.peak_rate * us / 1e6 for name, us in mixed(figures, demand.shares).cpu_us.items()}
    inbox_rate = demand.peak_rate * demand.inbox_share
    cores["redis"] += inbox_rate * expiry_us_of(figures, demand) / 1e6
    if demand.dkim:
        cores["email"] += demand.peak_rate * demand.messages_share * figures.dkim_us / 1e6
    for share, cost in _waiting_costs(figures, demand):
        for name, us in cost.cpu_us.items():
            cores[name] = max(0.0, cores[name] + demand.peak_rate * share * us / 1e6)
    return cores


def _waiting_costs(figures: Figures, demand: Demand) -> list[tuple[float, HoldCost]]:
    """Return the shares of deliveries that are held alone and as items, with the cost of each."""
    waiting, mail = demand.waiting, demand.mail_share
    return [
        (mail * waiting.alone, figures.holds.alone),
        (mail * waiting.digested, figures.holds.item(waiting.digest_items)),
    ]


def expiry_us_of(figures: Figures, demand: Demand) -> float:
    """Return the CPU of Redis in µs an addition, for the looks for expired entries, which read the whole inbox.

    An addition looks for them a day after the first has expired, so one of those of a day and one more does.
    """
    return demand.inbox_entries * figures.expiry_us / (demand.recipient_entries_a_day + 1)


def redis_gib_of(figures: Figures, demand: Demand) -> dict[str, float]:
    """Return the memory of Redis in GiB, by class, when everything is as old as its retention.

    The rows of the tables are not in it.
    """
    recipients = demand.deliveries_a_day / demand.recipient_deliveries_a_day
    days = min(demand.active_days, demand.retention.index_days)
    indexed = min(INDEX_ENTRIES, demand.recipient_deliveries_a_day * days)
    entries = demand.inbox_entries
    dropped = min(DROPPED_IDS, demand.unexpired_entries - entries)
    per_recipient = {
        "index": indexed * entry_bytes(figures, "index", indexed),
        "inbox": entries * entry_bytes(figures, "inbox", entries),
        "dropped ids": dropped * figures.dropped_id_bytes,
    }
    rows = demand.deliveries_a_day * demand.retention.ledger_days * LEDGER_SPARE
    kept = {"ledger": rows * mixed(figures, demand.shares).redis_bytes["ledger"]}
    kept |= {name: recipients * size for name, size in per_recipient.items()}
    waits = (demand.waiting.alone_days, demand.waiting.digest_days)
    kept["waiting"] = 0.0
    for (share, cost), wait_days in zip(_waiting_costs(figures, demand), waits, strict=True):
        kept["waiting"] += demand.deliveries_a_day * share * max(1.0, wait_days) * cost.waiting_bytes
        kept["ledger"] += rows * share * cost.ledger_bytes
    return {name: size * max(1.0, figures.dataset_ratio) / _GIB for name, size in kept.items()}


def entry_bytes(figures: Figures, kind: str, entries: float) -> float:
    """Return the memory of an entry of an inbox or index with so many, between measured lengths by the logarithm."""
    points = sorted(figures.length_bytes[kind].items())
    if entries <= points[0][0]:
        return points[0][1]
    for (low, small), (high, large) in pairwise(points):
        if entries <= high:
            return small + (large - small) * math.log(entries / low) / math.log(high / low)
    return points[-1][1]


def primaries_by_memory(redis_gib: Mapping[str, float]) -> int:
    """Return the fewest primaries that hold it all. Raise ValueError where a shard of the ledger does not fit on one.

    The fullest of P primaries has ceil(64 / P) of the ledger's 64 shards. The slots of all else can be assigned so that
    the memory is even.
    """
    shard_gib = redis_gib["ledger"] / LEDGER_SHARDS
    if shard_gib > LARGEST_PRIMARY_GIB:
        raise ValueError("a shard of the ledger is larger than a primary: shorten its retention")
    primaries = max(1, math.ceil(sum(redis_gib.values()) / PRIMARY_GIB))
    while redis_gib["ledger"] * _largest_share(primaries) > max(PRIMARY_GIB, shard_gib):
        primaries += 1
    return primaries


def primaries_by_cpu(redis_cores: float, utilisation: float) -> int:
    """Return the fewest primaries such that the busiest is not busier than this. Raise ValueError over 64."""
    primaries = 1
    while redis_cores * REPLICATION_CPU * _largest_share(primaries) > utilisation:
        if primaries == LEDGER_SHARDS:
            raise ValueError("more than 64 primaries do not share the ledger's CPU: divide the recipients")
        primaries += 1
    return primaries


def disk_tb_of(figures: Figures, demand: Demand) -> dict[str, float]:
    """Return the bytes on the brokers' disks in TB, replicas included, by topic."""
    per_delivery, days = _kafka_bytes_of(figures, demand), demand.retention.topic_days
    replicated = demand.deliveries_a_day * demand.kafka_replicas / _TB
    # a segment of one day is deleted when its last record is old enough
    return {topic: per_delivery[topic] * (days[topic] + 1) * replicated for topic in days}


def _kafka_bytes_of(figures: Figures, demand: Demand) -> dict[str, float]:
    """Return the bytes of a delivery by topic. What is held is dispatched again, and has an outcome more.

    An item of a digest has that outcome, too, and a part of the digest's own record and two outcomes.
    """
    sizes, email = dict(mixed(figures, demand.shares).kafka_bytes), figures.mixes["email"].kafka_bytes
    waiting, mail = demand.waiting, demand.mail_share
    digests = waiting.digested / waiting.digest_items
    sizes["dispatch.email"] += mail * (waiting.alone + digests) * email["dispatch.email"]
    sizes["dispatch.outcomes"] += (
        mail * (waiting.alone + waiting.digested + 2 * digests) * email["dispatch.outcomes"]
    )
    return sizes


def _largest_share(primaries: int) -> float:
    """Return the share of the ledger that the fullest primary has."""
    return math.ceil(LEDGER_SHARDS / primaries) / LEDGER_SHARDS


def _workers(figures: Figures, role: str, cores: float, utilisation: float) -> int:
    """Return the workers of a role. Each uses one core, and a little of it without work."""
    return max(LEAST_WORKERS, math.ceil(cores / (utilisation - figures.idle_cores[role])))


def _worker_machines(figures: Figures, workers: Mapping[str, int], machine: Machine) -> int:
    memory_gib = sum(figures.memory_mib[role] * n for role, n in workers.items()) / 1024
    by_memory = math.ceil(memory_gib / machine.memory_gib)
    return max(LEAST_WORKERS, math.ceil(sum(workers.values()) / machine.cores), by_memory)


def _redis_machines(primaries: int, gib: float, replicas: int, machine: Machine) -> int:
    """Return the machines of Redis: half of the cores are for forks and the network, half of the memory for copies."""
    fitting = math.floor(machine.memory_gib * MEMORY_SHARE / (gib / primaries)) if gib else machine.cores
    a_machine = max(1, min(machine.cores // 2, fitting))
    return max(1 + replicas, math.ceil(primaries * (1 + replicas) / a_machine))
