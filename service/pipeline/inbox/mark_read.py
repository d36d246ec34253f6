"""Reading entries of an inbox: marked in Redis, and told to `dispatch.outcomes`, so that a rebuild knows it too."""

from collections.abc import Sequence

from service.model.outcome import ReadMark
from service.model.record import Message
from service.model.topics import TopicNames
from service.ports import Clock, Inbox, InboxQuery, InboxReads, Publisher, ReadFilter

_MOST = 1_000_000  # more than an inbox holds
_BATCH = 1000  # ids a record: some 30 kB


class ReadMarker:
    """Marks entries read. What was answered is in Kafka; after Unavailable the same may be asked for again."""

    def __init__(
        self, inbox: Inbox, reads: InboxReads, publisher: Publisher, topics: TopicNames, clock: Clock
    ) -> None:
        self._inbox = inbox
        self._reads = reads
        self._publisher = publisher
        self._topic = topics.outcomes
        self._clock = clock

    async def mark(self, recipient: str, ids: Sequence[str]) -> Sequence[bool | None]:
        """True: now read, False: was read before, None: this recipient has no such entry.

        What was read before is told again: the first telling may have failed.
        """
        now = self._clock.now_ms()
        marked: list[bool | None] = []
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            found = await self._inbox.mark_read(recipient, part, now)
            await self._tell(recipient, [i for i, m in zip(part, found, strict=True) if m is not None], now)
            marked += found
        return marked

    async def mark_all(self, recipient: str, types: frozenset[str] = frozenset()) -> int:
        """Mark what is unread now, of these types where any are named; how many there were.

        Told before it is marked: once marked, the same request would find nothing to tell.
        """
        now = self._clock.now_ms()
        page = await self._reads.page(InboxQuery(recipient, ReadFilter.unread, types, limit=_MOST))
        ids = [item.id for item in page.items]
        marked: list[bool | None] = []
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            await self._tell(recipient, part, now)
            marked += await self._inbox.mark_read(recipient, part, now)
        return sum(mark is True for mark in marked)

    async def _tell(self, recipient: str, ids: Sequence[str], at_ms: int) -> None:
        if ids:
            mark = ReadMark(recipient, tuple(ids), at_ms)
            await self._publisher.publish([Message(self._topic, recipient.encode(), mark.to_bytes())])
