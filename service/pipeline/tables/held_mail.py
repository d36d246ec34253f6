"""Mail that is held until a time, and rows that say until when: a changed row takes effect on it at once.

Such mail is made due now. The email stage then decides again whether and until when it is held, by the rows as they are
then. So it does no harm to do this twice, or for a change that has nothing to do with the time.
"""

import asyncio
from collections.abc import Sequence

from service.ports import Clock, DueSet, Tables

_RECIPIENTS = 1000
_CONCURRENT = 32
_DELIVERIES = 1000


class HeldMail:
    """Held mail of recipients whose rows have been written. Every method raises Unavailable."""

    def __init__(self, due: DueSet, tables: Tables, clock: Clock) -> None:
        self._due = due
        self._tables = tables
        self._clock = clock

    async def retime(self, recipients: Sequence[str]) -> None:
        """Make mail due that is held for recipients or contacts, by their ids."""
        for start in range(0, len(recipients), _RECIPIENTS):
            part = recipients[start : start + _RECIPIENTS]
            flags = await self._due.with_held(part)
            await self._hasten([one for one, held in zip(part, flags, strict=True) if held])

    async def retime_account(self, account: str) -> None:
        """Make mail due that is held for those contacts of an account that have no quiet hours of their own."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self._tables.account(account, cursor)
            await self.retime([row.uuid for row in page.contacts if row.quiet_hours is None])
            cursor = page.cursor

    async def _hasten(self, recipients: Sequence[str]) -> None:
        for start in range(0, len(recipients), _CONCURRENT):
            part = recipients[start : start + _CONCURRENT]
            found = await asyncio.gather(*map(self._due.held_of, part))
            ids = [delivery for deliveries in found for delivery in deliveries]
            for first in range(0, len(ids), _DELIVERIES):
                await self._due.hasten(ids[first : first + _DELIVERIES], self._clock.now_ms())
