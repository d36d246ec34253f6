"""The measured costs of a delivery, from rounds, and as the file figures.json that the documents are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import orjson

from bench.capacity.holds import HoldFigures
from bench.capacity.measure import Round

SAVED = Path(__file__).parent / "figures.json"
PROCESSES = ("resolve", "inbox", "email", "schedule", "kafka", "redis")
TOPICS = ("events", "dispatch.inbox", "dispatch.email", "dispatch.outcomes")
CLASSES = ("ledger", "index", "inbox", "other")


@dataclass(frozen=True, slots=True)
class Cost:
    """Costs of a delivery of one mix: CPU in µs by process, bytes by topic on disk, bytes by class in Redis.

    `spread`: the difference of the highest and the lowest round, divided by the median, of the CPU by process.
    """

    cpu_us: Mapping[str, float]
    kafka_bytes: Mapping[str, float]
    redis_bytes: Mapping[str, float]
    spread: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """All costs.

    `idle_cores`: of each process without work. `batch_us`: CPU of a batch, besides that of its records.
    `connections`: established, of each role, by server. `dataset_ratio`: what Redis says it uses for data, divided by
    the sum of its keys. `length_bytes`: of an entry of a recipient's inbox and index, by the number of entries.
    `dropped_id_bytes`: the id of an entry that has left its inbox. `expiry_us`: see `samples.expiry`. `holds`: of a run
    of `bench.holds`.
    """

    mixes: Mapping[str, Cost]
    idle_cores: Mapping[str, float]
    batch_us: Mapping[str, float]
    connections: Mapping[str, Mapping[str, int]]
    memory_mib: Mapping[str, float]
    dataset_ratio: float
    length_bytes: Mapping[str, Mapping[int, float]]
    dropped_id_bytes: float
    expiry_us: float
    dkim_us: float
    holds: HoldFigures

    def save(self, path: Path = SAVED) -> None:
        """Write the figures, rounded, as JSON."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
        fields = asdict(self)
        del fields["holds"]  # of another run
        path.write_bytes(orjson.dumps(_rounded(fields), option=options))

    @classmethod
    def load(cls, path: Path = SAVED, holds: HoldFigures | None = None) -> "Figures":
        """Read saved figures; `holds`: those that are saved, unless stated."""
        fields = orjson.loads(path.read_bytes())
        fields["mixes"] = {name: Cost(**cost) for name, cost in fields["mixes"].items()}
        for kind, sizes in fields["length_bytes"].items():
            fields["length_bytes"][kind] = {int(length): size for length, size in sizes.items()}
        return cls(**fields, holds=holds or HoldFigures.load())


def busy_us(round_: Round, idle_cores: Mapping[str, float]) -> dict[str, float]:
    """Return the CPU of a round in µs by process, without what the process takes without work too."""
    idle_us = {name: idle_cores[name] * round_.elapsed_s * 1e6 for name in PROCESSES}
    return {name: max(0.0, round_.cpu_us[name] - idle_us[name]) for name in PROCESSES}


def cost_of(rounds: Sequence[Round], idle_cores: Mapping[str, float]) -> Cost:
    """Return the costs of a delivery: the median of the rounds for CPU, the mean for bytes."""
    deliveries = sum(round_.deliveries for round_ in rounds)
    cpu: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for round_ in rounds:
        for name, us in busy_us(round_, idle_cores).items():
            cpu[name].append(us / round_.deliveries)
    medians = {name: median(values) for name, values in cpu.items()}
    return Cost(
        cpu_us=medians,
        kafka_bytes={t: sum(r.kafka_bytes.get(t, 0) for r in rounds) / deliveries for t in TOPICS},
        redis_bytes={c: sum(r.redis_bytes.get(c, 0) for r in rounds) / deliveries for c in CLASSES},
        spread={name: (max(v) - min(v)) / medians[name] if medians[name] else 0.0 for name, v in cpu.items()},
    )


def batch_us_of(small: Cost, large: Cost, small_records: int, large_records: int) -> dict[str, float]:
    """Return the CPU in µs of a batch of each stage, from the costs with full batches of two sizes.

    A delivery of the mix `both` is half a record for each of the stages.
    """
    batches = 0.5 / small_records - 0.5 / large_records
    roles = ("resolve", "inbox", "email")
    return {role: max(0.0, (small.cpu_us[role] - large.cpu_us[role]) / batches) for role in roles}


def mixed(figures: Figures, shares: Mapping[str, float]) -> Cost:
    """Return the costs of a delivery of a mixture. `shares`: of the deliveries, by mix; their sum is 1."""
    costs = [(figures.mixes[name], share) for name, share in shares.items()]
    return Cost(
        cpu_us={n: sum(c.cpu_us[n] * share for c, share in costs) for n in PROCESSES},
        kafka_bytes={t: sum(c.kafka_bytes[t] * share for c, share in costs) for t in TOPICS},
        redis_bytes={k: sum(c.redis_bytes[k] * share for c, share in costs) for k in CLASSES},
        spread={n: max(c.spread[n] for c, _ in costs) for n in PROCESSES},
    )


def _rounded(value: object) -> object:
    match value:
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case float():
            return float(f"{value:.4g}")
    return value
