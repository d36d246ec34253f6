"""Schedule: mail whose time has come goes back to its lane."""

from collections.abc import Awaitable, Callable, Sequence

from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.messages import dispatch_message
from service.ports import Clock, DueSet

Produce = Callable[[Sequence[Message]], Awaitable[None]]


class Scheduler:
    """Hands on what is due; a delivery leaves the due set only after Kafka has acknowledged it."""

    def __init__(self, due: DueSet, produce: Produce, topics: TopicNames, clock: Clock) -> None:
        self._due = due
        self._produce = produce
        self._topics = topics
        self._clock = clock

    async def run_once(self, limit: int = 500) -> int:
        """Hand on up to `limit` deliveries; how many. Raises Unavailable when Redis or Kafka is away."""
        due = await self._due.take(self._clock.now_ms(), limit)
        if due:
            await self._produce([dispatch_message(self._topics, one.delivery) for one in due])
            await self._due.settle(due)
        return len(due)
