"""How far wide events have been resolved, so that another worker continues where one has ended."""

from typing import NamedTuple, Protocol

from service.ports.ledger import EventPosition


class FanOut(NamedTuple):
    """How far an event has been dispatched: the rules of its audience before this one, and of this one to the cursor.

    It is of one record, and of one form of the audience: for any other, the event is dispatched from the beginning.
    """

    record: EventPosition
    audience: str
    rule: int
    cursor: str


class FanOuts(Protocol):
    """The fan-outs that are in progress, by event. One that is lost begins again, and repeats what the ledger knows."""

    async def get(self, event: str) -> FanOut | None:
        """Return how far an event has been dispatched; None where it is not known."""
        ...

    async def put(self, event: str, fan_out: FanOut) -> None:
        """Save how far an event has been dispatched. What is before it must be in Kafka."""
        ...

    async def drop(self, event: str) -> None:
        """Forget an event: all of it has been dispatched."""
        ...
