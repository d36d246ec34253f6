"""Suppressions as operators see and change them: by address, since only hashes of addresses are stored."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from service.model.blocks.suppression import Suppression
from service.model.ids import address_key
from service.model.mask import mask_text
from service.model.operation import pseudonym
from service.model.reasons import Reason
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.tables.writer import TableWriter
from service.ports import Clock, Publisher, SoftBounceScores, Tables


class KnownSuppression(NamedTuple):
    """A suppression and the `address_key` of its address."""

    address_key: str
    suppression: Suppression


class Suppressions:
    """Reader and writer of suppressions. `scan` yields all that are stored. Every method raises Unavailable."""

    def __init__(
        self,
        tables: Tables,
        writer: TableWriter,
        scores: SoftBounceScores,
        publisher: Publisher,
        *,
        scan: Callable[[], AsyncIterator[tuple[str, Suppression]]],
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._scores = scores
        self._publisher = publisher
        self._scan = scan
        self._topics = topics
        self._clock = clock

    async def find(self, address: str) -> KnownSuppression | None:
        """Return the suppression of an address that is in force, or None."""
        row = await self._tables.suppression(address)
        if row is None or not row.in_force(self._clock.now_ms()):
            return None
        return KnownSuppression(address_key(address), row)

    async def all(self) -> Sequence[KnownSuppression]:
        """Return the suppressions that are in force, newest first. Reads all key names of Redis."""
        now_ms = self._clock.now_ms()
        rows = [KnownSuppression(*pair) async for pair in self._scan()]
        current = [one for one in rows if one.suppression.in_force(now_ms)]
        return sorted(current, key=lambda one: (-one.suppression.at_ms, one.address_key))

    async def add(self, address: str, why: str, operator: str) -> None:
        """Send no mail to an address from now on, except of mandatory types."""
        detail = f"by {operator}: {why}" if why else f"by {operator}"
        await self._writer.suppress(address, Reason.by_operator, detail)

    async def remove(self, address: str) -> bool:
        """Allow mail to an address again, and clear its soft-bounce score. Return False if it was not suppressed."""
        changed = await self._writer.unsuppress(address)
        key = address_key(address)
        await self._publisher.publish([Message(self._topics.soft_bounces, key.encode(), None)])
        await self._scores.clear(key)
        return changed


def logged_change(address: str, why: str) -> dict[str, str]:
    """Return a change for the operation log: a pseudonym of the address, and the reason without addresses."""
    return {"address": pseudonym(address), "reason": mask_text(why)[:300]}
