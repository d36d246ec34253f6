"""Simulated workers: the stages of each, on its view of the ports, and the partitions that they read."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

from aiokafka import TopicPartition

from service.model.record import Handler
from service.pipeline.email.schedule import Scheduler
from tests.simulation.kafka import PARTITIONS, FakeKafka
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import FaultyPort, Process, ProcessClock, Stage
from tests.simulation.relay import RelayTransport, ScriptedRelay
from tests.support.fake_pipeline import TOPICS, FakePipeline

STAGES: Mapping[str, Sequence[str]] = {
    "resolve": ("events",),
    "inbox": (TOPICS.inbox,),
    "email": ("dispatch.email.normal",),
}
_FAULTY_PORTS = (
    "tables",
    "ledger",
    "supersedes",
    "inbox",
    "due",
    "windows",
    "limits",
    "scores",
    "workers",
    "withdrawals",
    "fan_outs",
)


class SimulatedWorker:
    """One worker with every stage."""

    def __init__(
        self,
        owner: str,
        shared: FakePipeline,
        kafka: FakeKafka,
        relay: ScriptedRelay,
        loop: VirtualLoop,
        on_crash: Callable[[Process], None],
        on_pause: Callable[[Process], None],
        *,
        clock: type[ProcessClock],
        topics: Mapping[str, Sequence[str]],
    ) -> None:
        self.process = Process(owner, loop, on_crash, on_pause)
        pipeline = _pipeline_of(self.process, shared, relay, clock)
        self.in_flight = pipeline.deliver_email._claimer.in_flight
        handlers: dict[str, Handler] = {
            "resolve": pipeline.resolve,
            "inbox": pipeline.deliver_inbox,
            "email": pipeline.deliver_email,
        }
        self.stages = {
            name: Stage(name, read, handlers[name], self.process, kafka) for name, read in topics.items()
        }
        self.schedule = Scheduler(pipeline.due, self.stages["email"], TOPICS, shared.clock)

    def partitions(self, stage: str) -> set[TopicPartition]:
        """Return the partitions that this worker takes for its own."""
        return set(self.stages[stage].assignment.partitions)


def all_partitions(topics: Sequence[str]) -> list[TopicPartition]:
    """Return every partition of these topics."""
    return [TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)]


def _pipeline_of(
    process: Process, shared: FakePipeline, relay: ScriptedRelay, clock: type[ProcessClock]
) -> FakePipeline:
    """Return the pipeline of one process: the shared state, behind ports that may meet a fault."""
    pipeline = copy(shared)
    ports: dict[str, Any] = {name: FaultyPort(getattr(shared, name), process) for name in _FAULTY_PORTS}
    ports["transport"] = RelayTransport(relay, process)
    ports["clock"] = clock(shared.clock, process)
    assert ports.keys() <= vars(pipeline).keys(), "a port has another name in the pipeline"
    vars(pipeline).update(ports)
    pipeline.build(process.owner)
    return pipeline
