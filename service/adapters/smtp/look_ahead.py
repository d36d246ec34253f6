"""Claim messages shortly before a connection sends them.

What is claimed when a worker dies is in doubt. So no more is claimed than the connections can begin while the next
claim is made: one message a connection, and more only where they are faster than that.
"""

import asyncio
from collections.abc import Callable

from service.adapters.smtp.queue import MailQueue, PendingMail
from service.model.mail import SendResult, SendStatus
from service.model.reasons import SendReason
from service.ports import MailClaims

_MOST = 200  # messages that are claimed and not in flight: two script calls


class LookAhead:
    """The claimed messages of one relay that wait for a connection. One call at a time claims the next ones.

    `connections` returns how many connections may begin a message now. `admit` takes a claimed message. `on_claimed` is
    called after each call, when some messages may have come back.
    """

    def __init__(
        self,
        queue: MailQueue,
        connections: Callable[[], int],
        admit: Callable[[PendingMail], None],
        on_claimed: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._connections = connections
        self._admit = admit
        self._on_claimed = on_claimed
        self._window = 1
        self._begun = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Return whether messages are being claimed."""
        return self._task is not None

    def begin(self) -> None:
        """Note that a connection has begun a message, and claim further ones."""
        self._begun += 1
        if self._queue.unclaimed.size:
            self.refill()

    def refill(self) -> None:
        """Claim the next messages once half of those that were claimed have been begun: so calls are few and large."""
        queue = self._queue
        if self._task is not None or not queue.unclaimed or not (connections := self._connections()):
            return
        window = max(connections, self._window)
        room = window - len(queue.ready)
        if 2 * room < window or not (group := queue.select(room, window)):
            return
        self._task = asyncio.get_running_loop().create_task(self._claim(group))
        self._task.add_done_callback(self._claimed)

    async def close(self) -> None:
        """Stop; messages that are being claimed come back unsent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _claim(self, group: list[PendingMail]) -> None:
        self._begun = 0
        by_claims: dict[MailClaims, list[PendingMail]] = {}
        for pending in group:
            if pending.claims is not None:
                by_claims.setdefault(pending.claims, []).append(pending)
        try:
            await asyncio.gather(*(self._request(claims, mails) for claims, mails in by_claims.items()))
        finally:
            for pending in group:
                if pending.lease is None:
                    self._queue.deselect(pending)
                    pending.resolve(SendResult(SendStatus.unsent, SendReason.unclaimed))

    async def _request(self, claims: MailClaims, group: list[PendingMail]) -> None:
        for pending, lease in zip(group, await claims.claim([one.mail for one in group]), strict=True):
            if lease is not None:
                pending.lease = lease
                self._admit(pending)

    def _claimed(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        # twice what the connections began meanwhile; slowly less where they begin less
        self._window = min(_MOST, max(2 * self._begun, self._window // 2, 1))
        if not task.cancelled():
            task.exception()  # its messages have come back
        self.refill()
        self._on_claimed()
