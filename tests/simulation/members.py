"""Workers of the simulated world: made, killed, and given their partitions."""

from collections.abc import Callable
from copy import copy
from typing import Any

from aiokafka import TopicPartition

from service.model.record import Handler
from service.pipeline.email.schedule import Scheduler
from tests.simulation.kafka import PARTITIONS, FakeKafka
from tests.simulation.loop import VirtualLoop
from tests.simulation.relay import ScriptedRelay, Transport
from tests.simulation.worker import Process, Stage, Through
from tests.support.fake_pipeline import TOPICS, FakePipeline

STAGES = {
    "resolve": ("events",),
    "inbox": (TOPICS.inbox,),
    "email": ("dispatch.email.normal",),
}


class Member:
    """One worker with every stage."""

    def __init__(
        self,
        owner: str,
        real: FakePipeline,
        kafka: FakeKafka,
        relay: ScriptedRelay,
        loop: VirtualLoop,
        on_crash: Callable[[Process], None],
    ) -> None:
        self.process = Process(owner, loop, on_crash)
        mine = _over(real, self.process, relay)
        self.in_flight = mine.deliver_email._claimer.in_flight
        handlers: dict[str, Handler] = {
            "resolve": mine.resolve,
            "inbox": mine.deliver_inbox,
            "email": mine.deliver_email,
        }
        self.stages = {
            name: Stage(name, topics, handlers[name], self.process, kafka) for name, topics in STAGES.items()
        }
        self.schedule = Scheduler(mine.due, self.stages["email"], TOPICS, real.clock)

    def partitions(self, stage: str) -> set[TopicPartition]:
        """What this worker believes to own."""
        return set(self.stages[stage].assignment.partitions)


def all_partitions(stage: str) -> list[TopicPartition]:
    """Every partition that a stage reads."""
    return [TopicPartition(topic, n) for topic in STAGES[stage] for n in range(PARTITIONS)]


def _over(real: FakePipeline, process: Process, relay: ScriptedRelay) -> FakePipeline:
    """The pipeline as one process has it: the same world, seen through its ports."""
    mine: Any = copy(real)
    for port in ("tables", "ledger", "supersedes", "inbox", "due", "scores", "workers", "withdrawals"):
        setattr(mine, port, Through(getattr(real, port), process))
    mine.transport = Transport(relay, process)
    mine.build(process.owner)
    pipeline: FakePipeline = mine
    return pipeline
