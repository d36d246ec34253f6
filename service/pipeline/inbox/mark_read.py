"""Marking of inbox entries as read: in Redis, and in `dispatch.outcomes`, from which a rebuild marks them."""

from collections.abc import Sequence
from dataclasses import replace

from service.model.outcome import ReadMark
from service.model.record import Message
from service.model.topics import TopicNames
from service.ports import Clock, Inbox, InboxQuery, InboxReads, Publisher, ReadFilter

_ENTRIES_A_PAGE = 50  # an entry may be 256 KiB
_IDS_PER_RECORD = 1000  # some 30 kB


class ReadMarker:
    """Marks entries as read. Returns only once Kafka has the marks; after Unavailable the call may be repeated."""

    def __init__(
        self, inbox: Inbox, reads: InboxReads, publisher: Publisher, topics: TopicNames, clock: Clock
    ) -> None:
        self._inbox = inbox
        self._reads = reads
        self._publisher = publisher
        self._topic = topics.outcomes
        self._clock = clock

    async def mark(self, recipient: str, ids: Sequence[str]) -> Sequence[bool | None]:
        """Mark entries. Return True: now read, False: read before, None: this recipient has no such entry."""
        now_ms = self._clock.now_ms()
        results: list[bool | None] = []
        for start in range(0, len(ids), _IDS_PER_RECORD):
            part = ids[start : start + _IDS_PER_RECORD]
            # Redis first: it knows which ids are the recipient's, and no others may get into the log. Entries that
            # were read before are published again, since the earlier publication may have failed.
            marked = await self._inbox.mark_read(recipient, part, now_ms)
            own = [item for item, result in zip(part, marked, strict=True) if result is not None]
            await self._publish(recipient, own, now_ms)
            results += marked
        return results

    async def mark_all(self, recipient: str, types: frozenset[str] = frozenset()) -> int:
        """Mark all entries that are unread now, of these types where any are named. Return how many there were."""
        now_ms = self._clock.now_ms()
        query, ids = InboxQuery(recipient, ReadFilter.unread, types, limit=_ENTRIES_A_PAGE), list[str]()
        while True:
            page = await self._reads.page(query)
            ids += (item.id for item in page.items)
            if not page.cursor:
                break
            query = replace(query, after=page.cursor)
        results: list[bool | None] = []
        for start in range(0, len(ids), _IDS_PER_RECORD):
            part = ids[start : start + _IDS_PER_RECORD]
            # Kafka first: once marked, a repeated call would find nothing unread, and the record would be missing.
            await self._publish(recipient, part, now_ms)
            results += await self._inbox.mark_read(recipient, part, now_ms)
        return sum(result is True for result in results)

    async def _publish(self, recipient: str, ids: Sequence[str], at_ms: int) -> None:
        if ids:
            mark = ReadMark(recipient, tuple(ids), at_ms)
            await self._publisher.publish([Message(self._topic, recipient.encode(), mark.to_bytes())])
