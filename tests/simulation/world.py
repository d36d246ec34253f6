"""The world: events, two workers, a relay, people who change their minds, and time. Every method is one step."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import TopicPartition

from service.model.ids import address_key, event_key
from service.model.reasons import Reason
from service.model.recipient import Choice, Recipient, preference_key
from service.model.record import Message
from service.model.suppression import suppression
from service.pipeline.email.in_flight import ALIVE_S
from service.ports import Unavailable
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import VirtualLoop
from tests.simulation.members import STAGES, Member, all_partitions
from tests.simulation.relay import Answer, ScriptedRelay
from tests.simulation.watch import (
    Rules,
    Ticks,
    WatchedDueSet,
    WatchedLedger,
    WatchedSupersedes,
    WatchedTables,
)
from tests.simulation.worker import Kind, Process, Trouble
from tests.support.fake_pipeline import FakePipeline

PEOPLE = ("alice", "bob", "carol")
TYPES = ("overbid", "winner", "reset_password", "held_when_unsure", "payment_failed")
SOURCE = "/sim"


class DyingWorkers:
    """The Workers port: a name is believed to live until its last sign of life is too old."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def heartbeat(self, owner: str, ttl_s: float) -> None:
        """As the pulse does all the time."""

    async def have_heartbeat(self, owners: list[str]) -> list[bool]:
        return [self._world.believed_alive(owner) for owner in owners]


@dataclass(frozen=True)
class Spec:
    """An event, small enough to shrink."""

    type: str
    number: int
    people: tuple[str, ...]
    lot: int = 0
    age_s: int = 0
    ttl_s: int = 0

    @property
    def id(self) -> str:
        return f"{self.type}-{self.number}"


class World:
    """Made anew for every run."""

    def __init__(self) -> None:
        real = FakePipeline()
        self.real = real
        self.clock = real.clock
        self.start_ms = self.clock.now
        self.loop = VirtualLoop(self.clock)
        ticks = Ticks(self.clock)
        self.ledger = real.ledger = WatchedLedger(ticks)
        self.tables = real.tables = WatchedTables(ticks)
        supersedes = real.supersedes = WatchedSupersedes(ticks)
        due = real.due = WatchedDueSet()
        real.workers = DyingWorkers(self)  # type: ignore[assignment]  # only what the pipeline asks
        self.kafka = FakeKafka(self.clock)
        self.rules = Rules(ticks, self.ledger, self.tables, supersedes, due)
        self.broken: list[AssertionError] = []
        self.relay = ScriptedRelay(self._judge)
        self.died_ms: dict[str, int] = {}
        self.given_up_ms: dict[str, int] = {}
        self.published: dict[str, Spec] = {}
        self.withdrawn: set[str] = set()
        self.invalid = 0
        self._incarnations: Counter[int] = Counter()
        self._version = 1
        self._revoking: list[asyncio.Task[None]] = []
        self.loop.done(real.seed())
        self.members = [self._member(0), self._member(1)]
        self.rebalance(0.0)

    def _judge(self, mail: object, process: Process) -> None:
        try:
            self.rules.judge(mail, process)  # type: ignore[arg-type]  # what a relay is given
        except AssertionError as error:  # inside a stage it would only make a dead letter
            self.broken.append(error)

    def _member(self, place: int) -> Member:
        self._incarnations[place] += 1
        owner = f"w{place}-{self._incarnations[place]}"
        return Member(owner, self.real, self.kafka, self.relay, self.loop, self._died)

    def _died(self, process: Process) -> None:
        self.died_ms[process.owner] = self.clock.now
        self.rules.died(process)

    def believed_alive(self, owner: str) -> bool:
        """As the signs of life in Redis tell it: of a worker's names, those live that it needs."""
        died = self.died_ms.get(owner.partition("+")[0])
        if died is None:
            names = {name for m in self.members if m.process.alive for name in m.in_flight.owners()}
            if owner in names:
                return True
            died = self.given_up_ms.setdefault(owner, self.clock.now)
        return self.clock.now < died + ALIVE_S * 1000

    def close(self) -> None:
        """End all processes."""
        for member in self.members:
            member.process.die()
        self.loop.run_for()
        self.loop.close()

    # what upstreams do

    def publish(self, spec: Spec) -> None:
        """An event; the first of an id is what counts."""
        spec = self.published.setdefault(event_key(SOURCE, spec.id), spec)
        value: dict[str, object] = {
            "id": spec.id,
            "source": SOURCE,
            "type": spec.type,
            "recipients": list(spec.people),
        }
        value |= {"time": _rfc3339(self.start_ms - spec.age_s * 1000), "data": {"lot_id": str(spec.lot)}}
        if spec.type == "payment_failed":
            value["account"] = "acme"
        if spec.ttl_s:
            value["expires"] = _rfc3339(self.start_ms + spec.ttl_s * 1000)
        self._append(f"{spec.number}", value)

    def publish_invalid(self, key: int) -> None:
        """What can only become a dead letter."""
        self.invalid += 1
        self._append(f"{key}", {"id": "x", "source": SOURCE, "type": "no_such_type"})

    def withdraw(self, spec: Spec, number: int) -> None:
        """The upstream takes an event back, whether or not it has come yet."""
        self.withdrawn.add(event_key(SOURCE, spec.id))
        data = {"id": spec.id}
        value = {"id": f"withdraw-{number}", "source": SOURCE, "type": "withdraw", "data": data}
        self._append(f"{number}", value)

    def _append(self, key: str, value: object) -> None:
        self.kafka.append([Message("events", key.encode(), json.dumps(value).encode())])

    # what workers do and suffer

    def work(self, place: int, stage: str, trouble: Trouble | None = None) -> None:
        """A stage reads, starts batches, and goes on until all wait or are done."""
        member = self.members[place]
        if member.process.alive:
            member.process.trouble = trouble
            member.stages[stage].poll()
            self.loop.run_for()
            member.process.trouble = None

    def commit(self, place: int, stage: str, kind: Kind | None = None) -> None:
        """What is finished is committed, or not, or the worker does not learn of it."""
        member = self.members[place]
        if member.process.alive:
            member.process.trouble = Trouble(kind, 0) if kind and kind != "stall" else None
            member.stages[stage].commit_owed()
            self.loop.run_for()
            member.process.trouble = None

    def hand_on_due(self, place: int, trouble: Trouble | None = None) -> None:
        """The schedule runs once."""
        member = self.members[place]
        if not member.process.alive:
            return

        async def run() -> None:
            with suppress(Unavailable):  # the ticker comes again
                await member.schedule.run_once()

        member.process.trouble = trouble
        member.process.spawn(run())
        self.loop.run_for()
        member.process.trouble = None

    def resume(self, place: int) -> None:
        """What was stalled goes on."""
        self.members[place].process.resume()
        self.loop.run_for()

    def crash(self, place: int) -> None:
        """kill -9."""
        self.members[place].process.die()
        self.loop.run_for()

    def restart(self, place: int) -> None:
        """A new process in place of one that has died."""
        if not self.members[place].process.alive:
            self.members[place] = self._member(place)

    def rebalance(self, share: float, patience_s: float = 20.0) -> None:
        """Partitions are dealt anew among the living: `share` of them to the first, after a hand-over in order."""
        self._revoking.clear()
        living = [m for m in self.members if m.process.alive]
        plan: list[tuple[Member, str, set[TopicPartition]]] = []
        for stage in STAGES if living else ():
            every = all_partitions(stage)
            cut = len(every) if len(living) == 1 else round(share * len(every))
            shares = (set(every[:cut]), set(every[cut:]))
            plan += [(member, stage, mine) for member, mine in zip(living, shares, strict=False)]
        for member, stage, mine in plan:
            lost = {tp for tp in mine if self.kafka.owners.get((stage, tp)) != member.process.owner}
            gone = member.partitions(stage) - (mine - lost)
            if gone:
                self._revoking.append(member.process.spawn(member.stages[stage].revoke(gone, patience_s)))
        self.pass_time(0 if not patience_s else 26_000 if self._handing_over() else 0)
        for member, stage, mine in plan:
            if member.process.alive:
                member.stages[stage].assign(mine)

    def _handing_over(self) -> bool:
        self.loop.run_for()
        return any(not task.done() for task in self._revoking)

    def usurp(self, place: int, stage: str) -> None:
        """The other worker was silent for too long: its partitions are given away, and it does not know."""
        member = self.members[place]
        if member.process.alive:
            member.stages[stage].assign(set(all_partitions(stage)))
            for tp in all_partitions(stage):
                self.kafka.owners[stage, tp] = member.process.owner

    def pass_time(self, ms: int) -> None:
        """Time goes on."""
        self.loop.run_for(ms)

    # what relays and people do

    def answers(self, *script: Answer) -> None:
        """What the relay says to the next mails."""
        self.relay.script.extend(script)

    def prefer(self, person: str, type_name: str, on: bool) -> None:
        """Somebody switches a type's mail on or off."""
        row = self.tables.recipients[person]
        key = preference_key(type_name, "email")
        self._put(row.model_copy(update={"preferences": {**row.preferences, key: Choice(on=on)}}))
        self.rules.switched(person, type_name, on)

    def readdress(self, person: str, number: int) -> None:
        """Somebody has a new address."""
        address = f"{person}{number}@example.com"
        self._put(self.tables.recipients[person].model_copy(update={"address": address}))
        self.rules.moved_to(person, address)

    def _put(self, row: Recipient) -> None:
        self._version += 1
        self.loop.done(self.tables.put_recipients([row.model_copy(update={"version": self._version})]))

    def suppress(self, person: str, on: bool) -> None:
        """An operator stops mail to an address, or allows it."""
        address = self.tables.recipients[person].address
        if on:
            self.loop.done(
                self.tables.put_suppression(*suppression(address, Reason.by_operator, self.clock.now))
            )
        else:
            self.loop.done(self.tables.delete_suppression(address_key(address), self.clock.now))

    def read(self, person: str) -> None:
        """Somebody reads their oldest entry."""
        unread = self.loop.done(self.real.inbox.unread(person, limit=1))
        if unread:
            self.loop.done(self.real.inbox.mark_read(person, [unread[0].id], self.clock.now))


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
