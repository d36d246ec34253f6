"""The simulation: events, two workers, a relay, recipients whose rows change, and time. Every method is one step."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition

from service.model.blocks.suppression import suppression
from service.model.ids import address_key, delivery_id, event_key
from service.model.reasons import Reason
from service.model.recipient import Choice, Recipient, preference_key
from service.model.record import Message
from service.pipeline.email.lease import ALIVE_S
from service.ports import Unavailable
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import FaultKind, InjectedFault, Process, ProcessClock
from tests.simulation.recording_ports import (
    ChangeCounter,
    RecordingDueSet,
    RecordingLedger,
    RecordingSupersede,
    RecordingTables,
)
from tests.simulation.relay import ScriptedRelay, ScriptedReply
from tests.simulation.send_rules import SendRules
from tests.simulation.worker import STAGES, SimulatedWorker, all_partitions
from tests.support.fake_pipeline import FakePipeline

RECIPIENTS = ("alice", "bob", "carol")
TYPES = ("overbid", "winner", "reset_password", "held_when_unsure", "payment_failed")
SOURCE = "/sim"


class SimulatedHeartbeats:
    """The Workers port: an owner has a heartbeat until the TTL after its last one."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation

    async def heartbeat(self, owners: list[str], ttl_s: float) -> list[bool]:
        """Send nothing: the owners in use always have a heartbeat."""
        return [True] * len(owners)

    async def have_heartbeat(self, owners: list[str]) -> list[bool]:
        return [self._simulation.has_heartbeat(owner) for owner in owners]


@dataclass(frozen=True)
class EventSpec:
    """An event in a few small values, which hypothesis can shrink."""

    type: str
    number: int
    recipients: tuple[str, ...]
    lot: int = 0
    age_s: int = 0
    ttl_s: int = 0

    @property
    def id(self) -> str:
        return f"{self.type}-{self.number}"


class Simulation:
    """One run. Workers, stages and shares are chosen by the caller; nothing else decides what happens."""

    process_clock: type[ProcessClock] = ProcessClock
    stages = STAGES
    """The topics of each stage."""

    def __init__(self, pipeline: FakePipeline | None = None) -> None:
        self.pipeline = pipeline or FakePipeline()
        self.clock = self.pipeline.clock
        self.start_ms = self.clock.now
        self.loop = VirtualLoop(self.clock)
        changes = ChangeCounter(self.clock)
        self.ledger, self.tables = RecordingLedger(changes), RecordingTables(changes)
        supersedes, self.due = RecordingSupersede(changes), RecordingDueSet()
        ports = {
            "ledger": self.ledger,
            "tables": self.tables,
            "supersedes": supersedes,
            "due": self.due,
            "workers": SimulatedHeartbeats(self),
        }
        assert ports.keys() <= vars(self.pipeline).keys(), "a port has another name in the pipeline"
        vars(self.pipeline).update(ports)
        self.kafka = FakeKafka(self.clock)
        self.changes = changes
        self.rules = SendRules(changes, self.ledger, self.tables, supersedes, self.due)
        self.broken: list[AssertionError] = []
        self.relay = ScriptedRelay(self._check_mail)
        self.died_ms: dict[str, int] = {}
        self.abandoned_ms: dict[str, int] = {}
        self.published: dict[str, EventSpec] = {}
        self.withdrawn: set[str] = set()
        self.invalid = 0
        self._starts: Counter[int] = Counter()
        self._version = 1
        self._revoking: list[asyncio.Task[None]] = []
        self.loop.done(self.pipeline.seed())
        self.workers = [self._new_worker(0), self._new_worker(1)]
        self.rebalance(0.0)

    def _check_mail(self, mail: Any, process: Process) -> None:
        try:
            self.rules.check(mail, process)
        except AssertionError as error:  # raised inside a stage it would only make a dead letter
            self.broken.append(error)

    def _new_worker(self, index: int) -> SimulatedWorker:
        self._starts[index] += 1
        name = f"w{index}-{self._starts[index]}"
        return SimulatedWorker(
            name,
            self.pipeline,
            self.kafka,
            self.relay,
            self.loop,
            self._died,
            self._paused,
            clock=self.process_clock,
            topics=self.stages,
        )

    def _died(self, process: Process) -> None:
        self.died_ms[process.owner] = self.clock.now
        self.rules.worker_died(process)

    def _paused(self, process: Process) -> None:
        self.rules.worker_paused(process, self.relay.submitted)

    def has_heartbeat(self, owner: str) -> bool:
        """Return whether Redis would have the heartbeat of an owner: it is in use, or was within the TTL."""
        ended_ms = self.died_ms.get(owner.partition("+")[0])
        if ended_ms is None:
            using = [w.process for w in self.workers if w.process.running and owner in w.in_flight.owners()]
            if any(process.active for process in using):
                return True
            paused_ms = [ms for process in using if (ms := process.paused_at_ms) is not None]
            ended_ms = paused_ms[0] if paused_ms else self.abandoned_ms.setdefault(owner, self.clock.now)
        return self.clock.now < ended_ms + ALIVE_S * 1000

    def close(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.process.die()
        self.loop.run_for()
        self.loop.close()

    # steps of upstreams

    def publish(self, spec: EventSpec) -> None:
        """Publish an event; the first one of an id is the one that counts."""
        spec = self.published.setdefault(event_key(SOURCE, spec.id), spec)
        value: dict[str, object] = {
            "id": spec.id,
            "source": SOURCE,
            "type": spec.type,
            "recipients": list(spec.recipients),
        }
        value |= {"time": rfc3339(self.start_ms - spec.age_s * 1000), "data": {"lot_id": str(spec.lot)}}
        if spec.type == "payment_failed":
            value["account"] = "acme"
        if spec.ttl_s:
            value["expires"] = rfc3339(self.start_ms + spec.ttl_s * 1000)
        self._append(f"{spec.number}", value | self._extensions(spec))

    def _extensions(self, spec: EventSpec) -> dict[str, object]:
        """Return further attributes of an event."""
        return {}

    def expected(self, spec: EventSpec) -> dict[str, str]:
        """Return the ids of the deliveries that the ledger must have for an event, and what they are, in words.

        It is a second implementation of how recipients are found.
        """
        recipients = set(spec.recipients)
        if spec.type == "overbid":
            recipients |= {"carol"}
        channels = ("email", "inbox") if spec.type in {"overbid", "winner"} else ("email",)
        pairs = [(recipient, channel) for recipient in recipients for channel in channels]
        if spec.type == "payment_failed":
            pairs = [("c1", "email"), ("c2", "email")]
        key = event_key(SOURCE, spec.id)
        return {
            delivery_id(key, recipient, channel): f"{spec.id} for {recipient} by {channel}"
            for recipient, channel in pairs
        }

    def publish_invalid(self, key: int) -> None:
        """Publish an event that can only become a dead letter."""
        self.invalid += 1
        self._append(f"{key}", {"id": "x", "source": SOURCE, "type": "no_such_type"})

    def withdraw(self, spec: EventSpec, number: int) -> None:
        """Withdraw an event, whether it has been published or not."""
        self.withdrawn.add(event_key(SOURCE, spec.id))
        data = {"id": spec.id}
        value = {"id": f"withdraw-{number}", "source": SOURCE, "type": "withdraw", "data": data}
        self._append(f"{number}", value)

    def _append(self, key: str, value: object) -> None:
        self.kafka.append([Message("events", key.encode(), json.dumps(value).encode())])

    # steps of workers, and their faults

    def work(self, index: int, stage: str, fault: InjectedFault | None = None) -> None:
        """Let a stage read and start batches, and run until all of them wait or are done."""
        worker = self.workers[index]
        if worker.process.active:
            worker.process.fault = fault
            worker.stages[stage].poll()
            self.loop.run_for()
            worker.process.fault = None

    def commit(self, index: int, stage: str, kind: FaultKind | None = None) -> None:
        """Commit what is finished; with a fault, nothing is committed, or the worker does not learn that it is."""
        worker = self.workers[index]
        if worker.process.active:
            worker.process.fault = InjectedFault(kind, 0) if kind and kind != "stall" else None
            worker.stages[stage].start_commit()
            self.loop.run_for()
            worker.process.fault = None

    def dispatch_due(self, index: int, fault: InjectedFault | None = None) -> None:
        """Run the scheduler of a worker once."""
        worker = self.workers[index]
        if not worker.process.active:
            return

        async def run() -> None:
            with suppress(Unavailable):  # the periodic task runs it again
                await worker.schedule.run_once()

        worker.process.fault = fault
        worker.process.spawn(run())
        self.loop.run_for()
        worker.process.fault = None

    def resume(self, index: int) -> None:
        """Let the stalled effects of a worker continue, and the worker itself if it is paused."""
        self.workers[index].process.resume()
        self.loop.run_for()

    def pause(self, index: int) -> None:
        """Pause a worker, as SIGSTOP or the migration of a virtual machine does."""
        self.workers[index].process.pause()

    def pause_while_sending(self, index: int, after: int, ms: int) -> None:
        """Pause a worker at an effect of its email stage, for so long that the other one gets its partitions."""
        self.work(index, "email", InjectedFault("pause", after))
        self.steal_partitions(1 - index, "email")
        self.pass_time(ms)
        self.work(1 - index, "email")

    def crash(self, index: int) -> None:
        """Kill a worker, as `kill -9` does."""
        self.workers[index].process.die()
        self.loop.run_for()

    def restart(self, index: int) -> None:
        """Start a new process instead of one that has died."""
        if not self.workers[index].process.running:
            self.workers[index] = self._new_worker(index)

    def rebalance(self, share: float, drain_s: float = 20.0) -> None:
        """Assign partitions to the running workers, `share` of them to the first, after revoking those that move."""
        self._revoking.clear()
        running = [w for w in self.workers if w.process.running]
        plan: list[tuple[SimulatedWorker, str, set[TopicPartition]]] = []
        for stage in self.stages if running else ():
            every = all_partitions(self.stages[stage])
            cut = len(every) if len(running) == 1 else round(share * len(every))
            shares = (set(every[:cut]), set(every[cut:]))
            plan += [(worker, stage, assigned) for worker, assigned in zip(running, shares, strict=False)]
        for worker, stage, assigned in plan:
            lost = {tp for tp in assigned if self.kafka.owners.get((stage, tp)) != worker.process.owner}
            revoked = worker.partitions(stage) - (assigned - lost)
            if revoked:
                revocation = worker.stages[stage].revoke(revoked, drain_s)
                self._revoking.append(worker.process.spawn(revocation))
        self.pass_time(0 if not drain_s else 26_000 if self._is_revoking() else 0)
        for worker, stage, assigned in plan:
            if worker.process.running:
                worker.stages[stage].assign(assigned)

    def _is_revoking(self) -> bool:
        self.loop.run_for()
        return any(not task.done() for task in self._revoking)

    def steal_partitions(self, index: int, stage: str) -> None:
        """Assign all partitions to one worker, while the other, whose session has timed out, does not know of it."""
        worker = self.workers[index]
        if worker.process.running:
            worker.stages[stage].assign(set(all_partitions(self.stages[stage])))
            for tp in all_partitions(self.stages[stage]):
                self.kafka.owners[stage, tp] = worker.process.owner

    def pass_time(self, ms: int) -> None:
        """Run for some virtual time."""
        self.loop.run_for(ms)

    # steps of relays and recipients

    def script_replies(self, *replies: ScriptedReply) -> None:
        """Set the relay's replies to the next messages."""
        self.relay.script.extend(replies)

    def set_preference(self, recipient: str, type_name: str, on: bool) -> None:
        """Switch a type's email on or off for a recipient."""
        row = self.tables.recipients[recipient]
        key = preference_key(type_name, "email")
        self._put(row.model_copy(update={"preferences": {**row.preferences, key: Choice(on=on)}}))
        self.rules.preference_set(recipient, type_name, on)

    def change_address(self, recipient: str, number: int) -> None:
        """Give a recipient a new address."""
        address = f"{recipient}{number}@example.com"
        self._put(self.tables.recipients[recipient].model_copy(update={"address": address}))
        self.rules.address_changed(recipient, address)

    def _put(self, row: Recipient) -> None:
        self._version += 1
        self.loop.done(self.tables.put_recipients([row.model_copy(update={"version": self._version})]))

    def suppress(self, recipient: str, on: bool) -> None:
        """Add a suppression of the recipient's address as an operator does, or remove it."""
        address = self.tables.recipients[recipient].address
        if on:
            self.loop.done(
                self.tables.put_suppression(*suppression(address, Reason.by_operator, self.clock.now))
            )
        else:
            self.loop.done(self.tables.delete_suppression(address_key(address), self.clock.now))

    def read(self, recipient: str) -> None:
        """Mark the recipient's oldest unread entry as read."""
        unread = self.loop.done(self.pipeline.inbox.unread(recipient, limit=1))
        if unread:
            self.loop.done(self.pipeline.inbox.mark_read(recipient, [unread[0].id], self.clock.now))


def rfc3339(ms: int) -> str:
    """Return a time (ms) as events have it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
