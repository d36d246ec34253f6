"""The history of the state in Redis: checkpoints against Kafka's offsets, servers whose data are known, catch-ups.

Redis loses its newest writes when a replica that is behind is promoted, or when the power fails. What it has lost is
still in Kafka. A checkpoint says from which offsets on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

import orjson

Positions = Mapping[tuple[str, int], int]
"""Offsets by (topic, partition)."""


class StateCheckpoint(NamedTuple):
    """What was written to Redis before it is contained in the records before `positions`; `at_ms` orders checkpoints.

    That holds as long as Redis keeps what it has written until then. A partition that is not in it has position 0.
    """

    at_ms: int
    positions: Positions

    def to_bytes(self) -> bytes:
        """Return the positions as JSON: by topic, in the order of partitions."""
        topics: dict[str, list[int]] = {}
        for (topic, partition), offset in sorted(self.positions.items()):
            offsets = topics.setdefault(topic, [])
            offsets += [0] * (partition - len(offsets))
            offsets.append(offset)
        return orjson.dumps(topics)

    @classmethod
    def from_bytes(cls, at_ms: int, value: bytes) -> Self:
        """Return the checkpoint with these positions. Raise ValueError."""
        topics: dict[str, list[int]] = orjson.loads(value)
        return cls(
            at_ms,
            {(topic, n): offset for topic, offsets in topics.items() for n, offset in enumerate(offsets)},
        )


class Lineage(NamedTuple):
    """The replication ids of the servers whose data are known to be whole. A later one has a higher `generation`.

    A server has another id after it was promoted or restarted: it may lack writes that its predecessor had. So has a
    primary that begins a new history by itself, and lacks nothing: when its first replica comes, and some time after
    its last one has left.
    """

    generation: int
    servers: frozenset[str]

    @classmethod
    def after(cls, stored: "Lineage | None", seen: int, servers: frozenset[str], now_ms: int) -> "Lineage":
        """Return a lineage of a later generation than the one that is stored, and than one that was seen.

        By the clock, because an emptied Redis holds none to continue from, and other processes have seen some.
        """
        return cls(max(now_ms, seen + 1, stored.generation + 1 if stored else 0), servers)

    def to_text(self) -> str:
        """Return the generation and the ids, with blanks between them."""
        return " ".join([str(self.generation), *sorted(self.servers)])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the lineage of `to_text`. Raise ValueError."""
        generation, *servers = text.split()
        return cls(int(generation), frozenset(servers))


class CatchUp(NamedTuple):
    """A catch-up from Kafka: why, from which checkpoint (ms, 0: from the beginning), and when it began and ended (ms).

    `ended_ms` is 0 while it runs.
    """

    cause: str
    since_ms: int
    began_ms: int
    ended_ms: int = 0
    records: int = 0

    def to_bytes(self) -> bytes:
        """Return JSON."""
        return orjson.dumps(self._asdict())

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Return the catch-up of `to_bytes`. Raise ValueError."""
        return cls(**orjson.loads(value))


class PrimaryProcess(NamedTuple):
    """A primary's process: its id, which a restart changes, and the replication id whose history it continues.

    `continues` is empty where it continues none; it is that of its primary where it was a replica.
    """

    run_id: str
    continues: str


@dataclass(frozen=True, slots=True)
class StateStatus:
    """What Redis says of its state.

    `servers`: the replication ids of the present primaries; empty where none tells. `checkpoint_ms`: the newest
    checkpoint that every server has; None where a server has none. `incomplete`: why nothing may be sent.
    `processes`: by replication id, as far as servers tell.
    """

    servers: frozenset[str]
    lineage: Lineage | None
    checkpoint_ms: int | None
    incomplete: str | None
    processes: Mapping[str, PrimaryProcess] = field(default_factory=dict)

    @property
    def unknown_servers(self) -> frozenset[str]:
        """Return the servers that the lineage does not name; none without a lineage."""
        return frozenset() if self.lineage is None else self.servers - self.lineage.servers


class StateHistory(Protocol):
    """What Redis says of its own state, also while its servers are not accepted. Every method raises Unavailable."""

    async def status(self) -> StateStatus:
        """Return what Redis says of its state now."""
        ...

    async def accept(self, lineage: Lineage) -> None:
        """Record the servers whose data are known to be whole, instead of those recorded before."""
        ...

    async def write_checkpoint(self, checkpoint: StateCheckpoint) -> None:
        """Store a checkpoint, and drop old ones."""
        ...

    async def checkpoint_until(self, at_ms: int) -> StateCheckpoint | None:
        """Return the newest checkpoint that is not after a time (ms); None where there is none."""
        ...

    async def take_turn(self, task: str, owner: str, ttl_s: float) -> bool:
        """Return whether this owner has the turn for a task, from now on for `ttl_s` seconds."""
        ...

    async def record_catch_up(self, catch_up: CatchUp) -> None:
        """Record the last catch-up."""
        ...

    async def last_catch_up(self) -> CatchUp | None:
        """Return the last catch-up; None where there was none."""
        ...


def kept_checkpoints(times_ms: Iterable[int], now_ms: int) -> frozenset[int]:
    """Return the checkpoints to keep: all of the last minute, then one in ten seconds, after ten minutes one a minute.

    Some 180 in all; the last one before each boundary is kept, so that there is always one that is old enough.
    """
    kept: dict[tuple[int, int], int] = {}
    for at_ms in sorted(times_ms):
        age_ms = now_ms - at_ms
        if age_ms > 3_600_000:
            kept[0, 0] = at_ms
            continue
        step_ms = 1 if age_ms <= 60_000 else 10_000 if age_ms <= 600_000 else 60_000
        kept[step_ms, at_ms // step_ms] = at_ms
    return frozenset(kept.values())
