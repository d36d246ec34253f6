"""A publisher that keeps its messages in memory."""

import asyncio
from collections.abc import Sequence

from service.model.record import Message, Record
from service.ports import Clock
from tests.fakes.outage import Outage


class FakePublisher:
    """Implements the Publisher port: keeps the messages, and when they came by the clock, if it has one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.outage = Outage()
        self.messages: list[Message] = []
        self._clock = clock
        self._times_ms: list[int] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.outage.check()
        await asyncio.sleep(0)
        self.messages += messages
        self._times_ms += [self._clock.now_ms() if self._clock else 0] * len(messages)

    def records(self, topic: str) -> list[Record]:
        """Return what was published to a topic, which has one partition."""
        of_topic = [
            pair for pair in zip(self.messages, self._times_ms, strict=True) if pair[0].topic == topic
        ]
        return [
            Record(topic, 0, n, at_ms, one.key, one.value, one.headers)
            for n, (one, at_ms) in enumerate(of_topic)
        ]
