"""How many mails a second may go to a relay or a domain: asked of a port, so that workers can share the limit."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from service.adapters.smtp.queue import PendingMail
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.ports import SendRateLimit

_CHUNK = 20  # mails reserved at once
_PATIENCE_S = 30.0  # longer waits belong in the due set


class SteadyRate:
    """A limit for this process alone: so many mails a second, evenly, with a burst of a tenth of a second."""

    def __init__(self, per_second: float, now: Callable[[], float] = monotonic) -> None:
        self._interval = 1.0 / per_second
        self._now = now
        self._next = 0.0

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        """As SendRateLimit; the domain does not matter here."""
        now = self._now()
        start = max(self._next, now - 0.1)
        self._next = start + n * self._interval
        return max(0.0, start - now)


class Throttle:
    """Holds mails until their rate allows; a domain that must wait holds up no other.

    `refused` is told when some have come back, which nobody need wait for any more.
    """

    def __init__(
        self,
        relay: str,
        limit: SendRateLimit,
        chunk: int,
        admit: Callable[[PendingMail], None],
        refused: Callable[[], None],
    ) -> None:
        self._relay = relay
        self._limit = limit
        self._chunk = max(1, min(_CHUNK, chunk))
        self._admit = admit
        self._refused = refused
        self._domains: dict[str, deque[PendingMail]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._domains.values()))

    def enter(self, pending: PendingMail) -> None:
        """Hold a mail until it may go."""
        queue = self._domains.get(pending.domain_name)
        if queue is not None:
            queue.append(pending)
            return
        self._domains[pending.domain_name] = deque((pending,))
        task = asyncio.get_running_loop().create_task(self._serve(pending.domain_name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drain(self) -> list[PendingMail]:
        """Take out everything that is held."""
        held = [pending for queue in self._domains.values() for pending in queue]
        for queue in self._domains.values():
            queue.clear()
        return held

    def close(self) -> None:
        """Hold nothing any more; what is held comes back unsent."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, domain: str) -> None:
        queue = self._domains[domain]
        delay = 1.0  # what is asked for should the limit itself be away
        try:
            while queue:
                n = min(len(queue), self._chunk)
                delay = await self._limit.acquire(self._relay, domain, n)
                if delay > _PATIENCE_S:
                    break
                if delay > 0:
                    await asyncio.sleep(delay)
                for _ in range(min(n, len(queue))):
                    self._admit(queue.popleft())
        finally:
            del self._domains[domain]
            result = SendResult(
                SendStatus.unsent, Reason.rate_limited, relay=self._relay, retry_after_s=max(delay, 1.0)
            )
            for pending in queue:
                pending.resolve(result)
            self._refused()
