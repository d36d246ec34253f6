"""The steps of a digest, one after another in this process: items a second, and CPU an item here and of Redis."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex

import psutil

from bench.cases import SOURCE, event_id
from bench.held_mail import ITEM, recipient_id
from service.bootstrap.parts import Parts
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.reasons import Reason
from service.pipeline.email.digest_batch import DigestBatch
from service.pipeline.email.recheck import RecheckedDelivery, recheck
from service.pipeline.from_log import event_of
from service.pipeline.holds import HeldDelivery, Holds
from service.pipeline.resolve.precedence import Decision
from service.ports import EventHead

_BATCH = 500
_DIGESTS = 50
"""Digests of a batch. The stage takes up to 500; fewer have the same cost an item."""
_AHEAD_MS = 3_600_000


@dataclass(slots=True)
class Step:
    """One step over all items; times in seconds."""

    elapsed_s: float = 0.0
    own_s: float = 0.0
    redis_s: float = 0.0


@dataclass(slots=True)
class Steps:
    """The steps of digests with `items` items each, `total` in all."""

    items: int
    total: int
    steps: dict[str, Step] = field(default_factory=dict)

    def document(self) -> dict[str, dict[str, float]]:
        """Return for each step items a second, and CPU in µs an item of this process and of Redis."""
        return {
            name: {
                "per_s": round(self.total / step.elapsed_s),
                "own_us": round(step.own_s * 1e6 / self.total, 1),
                "redis_us": round(step.redis_s * 1e6 / self.total, 1),
            }
            for name, step in self.steps.items()
        }


class _Stopwatch:
    def __init__(self, steps: Steps, redis_pid: int) -> None:
        self._steps = steps
        self._redis = psutil.Process(redis_pid)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        before = self._now()
        yield
        step, now = self._steps.steps.setdefault(name, Step()), self._now()
        step.elapsed_s += now[0] - before[0]
        step.own_s += now[1] - before[1]
        step.redis_s += now[2] - before[2]

    def _now(self) -> tuple[float, float, float]:
        spent = self._redis.cpu_times()
        return time.perf_counter(), time.process_time(), spent.user + spent.system


async def measure_steps(parts: Parts, redis_pid: int, prefix: str, items: int, total: int) -> Steps:
    """Put items into windows, then read, recheck, seal, render and claim them, as the email stage does.

    The recipients `prefix`-0 and further ones have rows. `look` has the step `recheck` in it.
    """
    digests = total // items
    steps = Steps(items, digests * items)
    timed = _Stopwatch(steps, redis_pid)
    deliveries = [_item(prefix, i % digests, f"steps{token_hex(4)}", i) for i in range(digests * items)]
    holds = Holds(parts.due, parts.digest_windows, parts.ledger, parts.topics, parts.clock)
    opened: dict[str, Delivery] = {}
    for start in range(0, len(deliveries), _BATCH):
        part = deliveries[start : start + _BATCH]
        await _enter(parts, part)
        decision = Decision(State.held, Reason.digest, "", parts.clock.now_ms() + _AHEAD_MS, "held|instant")
        with timed("window"):
            await holds.store([HeldDelivery(one, decision) for one in part])
    for n in range(digests):
        for id_ in await parts.due.held_of(recipient_id(prefix, n)):
            (digest,) = await parts.due.waiting([id_])
            if digest is not None:
                opened[id_] = digest
    going = list(opened.values())
    for start in range(0, len(going), _DIGESTS):
        await _send(parts, timed, going[start : start + _DIGESTS])
    await parts.due.drop(list(opened))
    return steps


async def _send(parts: Parts, timed: _Stopwatch, digests: Sequence[Delivery]) -> None:
    batch = DigestBatch(
        parts.catalogue,
        parts.digest_windows,
        parts.ledger,
        partial(_recheck, parts, timed),
        topics=parts.topics,
        clock=parts.clock,
    )
    later_ms = parts.clock.now_ms() + 30 * _AHEAD_MS
    with timed("look"):
        checked = await batch.look(digests, later_ms)
    with timed("seal"):
        checked = await batch.seal(checked, later_ms)
    with timed("render"):
        for one in checked:
            items = batch.rendered(one.delivery.id)
            parts.renderer.digest(one.delivery, items, parts.mail_links.headers(one.delivery), "")
    with timed("claim"):
        lost = await batch.claim([one.delivery.id for one in checked])
    if lost:
        raise RuntimeError(f"{len(lost)} digests have lost an item")


async def _recheck(
    parts: Parts, timed: _Stopwatch, items: Sequence[Delivery], events: Collection[str]
) -> list[RecheckedDelivery]:
    with timed("recheck"):
        return await recheck(
            items,
            parts.catalogue,
            parts.tables,
            parts.supersedes,
            parts.inbox,
            now_ms=parts.clock.now_ms(),
            together=events,
        )


async def _enter(parts: Parts, deliveries: Sequence[Delivery]) -> None:
    kept_s = parts.catalogue[ITEM].kept_s
    heads = [EventHead(event_of(one), kept_s) for one in deliveries]
    entries = [
        NewEntry(one.event, one.id, one.recipient, one.channel, State.queued, Reason.none, one.received_ms)
        for one in deliveries
    ]
    await parts.ledger.open(heads, entries)


def _item(prefix: str, n: int, run: str, i: int) -> Delivery:
    now_ms = time.time_ns() // 1_000_000
    event, recipient = event_key(SOURCE, event_id(run, i)), recipient_id(prefix, n)
    return Delivery(
        id=delivery_id(event, recipient, Channel.email),
        event=event,
        event_id=event_id(run, i),
        source=SOURCE,
        type=ITEM,
        channel=Channel.email,
        recipient=recipient,
        rule=AudienceRule.users,
        created_ms=now_ms,
        received_ms=now_ms,
        deadline_ms=now_ms + 96 * _AHEAD_MS,
        queued_ms=now_ms,
        decided="on by default",
        row_version=1,
        address=f"{prefix}{n}@mail1.example.com",
        name=f"User {n}",
        document=json_document({"lot_id": f"LOT-{i}"}),
    )
