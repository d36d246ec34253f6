"""Soft-bounce scoring: a mailbox that cannot take mail for a while scores, scores fade, and a high one suppresses."""

from collections.abc import Sequence
from math import log2

import structlog

from service.model.blocks.suppression import suppression
from service.model.ids import address_key
from service.model.reasons import Reason
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.email.settle import SettledDelivery
from service.ports import Clock, SoftBounceScores, Tables, TableWrites, Unavailable

log = structlog.get_logger(__name__)

THRESHOLD = 5.0
"""The score from which an address is not mailed. It is mailed again once the score has faded to half of that."""
_WEEK_MS = 7 * 86_400_000


class SoftBounceScorer:
    """Scores addresses by what their mailboxes could not do.

    A delivery counts at most once a day, however many attempts and reports it has. Only a fault of the mailbox itself
    counts (`scores` of a diagnosis): it is full, or disabled for a while. Not counted: the network, a delay, the rate,
    an unknown cause, a fault of ours, and what suppresses the mailbox at once.
    """

    def __init__(
        self, scores: SoftBounceScores, tables: Tables, writes: TableWrites, topics: TopicNames, clock: Clock
    ) -> None:
        self._scores = scores
        self._tables = tables
        self._writes = writes
        self._suppressions = topics.table("suppressions")
        self._soft_bounces = topics.soft_bounces
        self._clock = clock

    async def count_settled(self, settled: Sequence[SettledDelivery]) -> list[Message]:
        """Count the soft bounces among settled deliveries. Return the messages of `count`.

        Best effort: what is not counted while Redis is unavailable is counted at the mailbox's next failure.
        """
        soft = [s for s in settled if s.result.scores and not s.result.suppress]
        if not soft:
            return []
        try:
            return await self.count(
                [(s.delivery.address, Reason(s.result.reason), s.delivery.id) for s in soft]
            )
        except Unavailable as unavailable:
            log.warning("soft_bounces_not_counted", reason=unavailable.reason)
            return []

    async def count(self, failures: Sequence[tuple[str, Reason, str]]) -> list[Message]:
        """Count failures, each as (address, reason, delivery id). Return records of the scores and of new suppressions.

        A score whose record was lost with a worker is published with the next one of its address. A suppression
        without an end, by an operator or a permanent error, is not replaced by one that ends.
        """
        now_ms = self._clock.now_ms()
        keys = [address_key(address) for address, _, _ in failures]
        deliveries = [delivery for _, _, delivery in failures]
        scores = await self._scores.add(list(zip(keys, deliveries, strict=True)), now_ms)
        latest = dict(zip(keys, scores, strict=True))
        messages = [
            Message(self._soft_bounces, key.encode(), score.to_bytes()) for key, score in latest.items()
        ]
        for (address, reason, _), (score, _) in zip(failures, scores, strict=True):
            if score < THRESHOLD:
                continue
            until_ms = now_ms + int(_WEEK_MS * log2(2 * score / THRESHOLD))
            current = await self._tables.suppression(address)
            if current is not None and not current.until_ms:
                continue
            key, row = suppression(address, reason, now_ms, f"soft bounces, score {score:.1f}", until_ms)
            if await self._writes.put_suppression(key, row):
                messages.append(Message(self._suppressions, key.encode(), row.to_bytes()))
        return messages
