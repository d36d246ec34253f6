"""Soft bounces: a full mailbox may not be so tomorrow, so they score and fade, and only many of them stop mail."""

import logging
from collections.abc import Sequence
from math import log2

from service.model.ids import address_key
from service.model.mail import SendStatus
from service.model.reasons import Reason
from service.model.record import Message
from service.model.suppression import suppression
from service.model.topics import TopicNames
from service.pipeline.email.settle import SettledDelivery
from service.ports import Clock, SoftBounceScores, Tables, TableWrites, Unavailable

log = logging.getLogger(__name__)

THRESHOLD = 5.0
"""From this score on, an address is not mailed. It is mailed again once the score has faded to half of that."""
_WEEK_MS = 7 * 86_400_000
_MAILBOX = frozenset({Reason.mailbox_full, Reason.mailbox_disabled, Reason.mailbox_unknown})


class SoftBounceScorer:
    """Scores addresses. A delivery counts once, at its first attempt, however often it is tried."""

    def __init__(
        self, scores: SoftBounceScores, tables: Tables, writes: TableWrites, topics: TopicNames, clock: Clock
    ) -> None:
        self._scores = scores
        self._tables = tables
        self._writes = writes
        self._suppressions = topics.table("suppressions")
        self._kept = topics.soft_bounces
        self._clock = clock

    async def settled(self, group: Sequence[SettledDelivery]) -> list[Message]:
        """Count what was answered; the messages for addresses that have become too bad.

        Best effort: what is not counted because Redis was away for a moment is counted at the next failure.
        """
        soft = [
            s
            for s in group
            if s.result.status is SendStatus.deferred
            and s.result.reason in _MAILBOX
            and s.transition.attempt == 1
        ]
        if not soft:
            return []
        try:
            return await self.count([(s.delivery.address, s.transition.reason) for s in soft])
        except Unavailable as away:
            log.warning("soft bounces were not counted: %s", away.reason)
            return []

    async def count(self, found: Sequence[tuple[str, Reason]]) -> list[Message]:
        """Add one for each (address, reason); the messages with the scores, and for those at the threshold.

        A score that was not told, since a worker died, is told with the next one of its address. A suppression
        without an end, by an operator or a permanent error, is not replaced by one that ends.
        """
        now = self._clock.now_ms()
        keys = [address_key(address) for address, _ in found]
        scores = await self._scores.add(keys, now)
        latest = dict(zip(keys, scores, strict=True))
        messages = [Message(self._kept, key.encode(), score.to_bytes()) for key, score in latest.items()]
        for (address, reason), (score, _) in zip(found, scores, strict=True):
            if score < THRESHOLD:
                continue
            until = now + int(_WEEK_MS * log2(2 * score / THRESHOLD))
            standing = await self._tables.suppression(address)
            if standing is not None and not standing.until_ms:
                continue
            key, row = suppression(address, reason, now, f"soft bounces, score {score:.1f}", until)
            if await self._writes.put_suppression(key, row):
                messages.append(Message(self._suppressions, key.encode(), row.to_bytes()))
        return messages
