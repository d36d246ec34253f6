"""Claims in memory, with leases that tests end."""

import asyncio
from collections.abc import Callable, Sequence

from service.model.mail import OutgoingMail


class FakeLease:
    """Implements the Lease port: it holds until `over` is set."""

    def __init__(self) -> None:
        self.over = False

    def holds(self) -> bool:
        return not self.over


class FakeClaims:
    """Implements the MailClaims port: claims everything under one lease, except what `refused` says.

    `groups` are the deliveries of each call. `delay_s` is how long a call takes.
    """

    def __init__(
        self, refused: Callable[[OutgoingMail], bool] = lambda _: False, delay_s: float = 0.0
    ) -> None:
        self.lease = FakeLease()
        self.groups: list[list[str]] = []
        self._refused = refused
        self._delay_s = delay_s

    @property
    def claimed(self) -> list[str]:
        """Return all deliveries for which a claim was requested, in order."""
        return [delivery for group in self.groups for delivery in group]

    async def claim(self, mails: Sequence[OutgoingMail]) -> Sequence[FakeLease | None]:
        self.groups.append([mail.delivery_id for mail in mails])
        await asyncio.sleep(self._delay_s)
        return [None if self._refused(mail) else self.lease for mail in mails]
