"""The scheduler: deliveries of the due set are dispatched again at their time.

1. Lease deliveries that are due.
2. Publish each to the topic of its lane.
3. Remove them from the due set.

How late each was is a metric.
"""

from service.model.delivery import Delivery
from service.model.record import Message
from service.model.topics import TopicNames
from service.observability.metrics import RELEASE_LATENESS
from service.pipeline.messages import dispatch_message
from service.ports import Clock, Due, DueSet, Publisher
from service.ports.turns import Turns


class Scheduler:
    """Dispatches what is due."""

    def __init__(self, due: DueSet, publisher: Publisher, topics: TopicNames, clock: Clock) -> None:
        self._due = due
        self._publisher = publisher
        self._topics = topics
        self._clock = clock

    async def run_once(self, limit: int = 500) -> int:
        """Dispatch up to `limit` deliveries; return how many. Raise Unavailable when Redis or Kafka is unavailable."""
        leased = await self._due.take(self._clock.now_ms(), limit)
        if leased:
            # Publish before removing: a crash between the two publishes a delivery twice, and the claim stops the
            # second record. In the other order the delivery would be lost.
            turns, messages = Turns(), list[Message]()
            for due in leased:
                messages.append(dispatch_message(self._topics, _released(due)))
                await turns.worked(len(messages[-1].value or b""))
            await self._publisher.publish(messages)
            now_ms = self._clock.now_ms()
            for due in leased:
                RELEASE_LATENESS.observe((due.delivery.lane,), max(now_ms - due.due_ms, 0) / 1000)
            await self._due.remove_dispatched(leased)
        return len(leased)


def _released(due: Due) -> Delivery:
    """Return a delivery as it is dispatched: one that was held, with its time; a further attempt as it was."""
    return due.delivery if due.delivery.attempt else due.delivery.replace(released_ms=due.due_ms)
