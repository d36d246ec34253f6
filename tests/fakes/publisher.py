"""A publisher that keeps its messages in memory."""

import asyncio
from collections.abc import Sequence

from service.model.record import Message
from tests.fakes.outage import Outage


class FakePublisher:
    """Implements the Publisher port: keeps the messages."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.outage.check()
        await asyncio.sleep(0)
        self.messages += messages
