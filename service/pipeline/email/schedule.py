"""Schedule: mail whose time has come goes back to its lane."""

from service.model.topics import TopicNames
from service.pipeline.messages import dispatch_message
from service.ports import Clock, DueSet, Publisher


class Scheduler:
    """Hands on what is due; a delivery leaves the due set only after Kafka has acknowledged it."""

    def __init__(self, due: DueSet, publisher: Publisher, topics: TopicNames, clock: Clock) -> None:
        self._due = due
        self._publisher = publisher
        self._topics = topics
        self._clock = clock

    async def run_once(self, limit: int = 500) -> int:
        """Hand on up to `limit` deliveries; how many. Raises Unavailable when Redis or Kafka is away."""
        due = await self._due.take(self._clock.now_ms(), limit)
        if due:
            await self._publisher.publish([dispatch_message(self._topics, one.delivery) for one in due])
            await self._due.settle(due)
        return len(due)
