"""Limit the rate of messages to a relay or a domain, through a port, so that all workers can share the limit."""

import asyncio
from collections.abc import Callable

from service.adapters.smtp.lane_queue import LaneQueue
from service.adapters.smtp.queue import PendingMail
from service.model.mail import SendResult, SendStatus
from service.model.reasons import Reason
from service.ports import SendRateLimit

_MAX_CHUNK = 20  # messages reserved at once
_RELAY = ""  # the name of the relay's gate, beside those of domains
_MAX_WAIT_S = 30.0  # messages that must wait longer come back unsent: their records stay in Kafka


class Throttle:
    """Two gates before the queue that hold messages until their rate allows.

    The first is for domains with a limit of their own: one that waits delays no other. The second is the relay's, for
    all messages. What is reserved there goes to the most urgent message at that time. The domain is first, because
    messages that it refuses must not use up the relay's rate.

    `on_rejected` is called after messages came back unsent, so that nothing waits for them any more.
    """

    def __init__(
        self,
        relay: str,
        limit: SendRateLimit,
        chunk: int,
        admit: Callable[[PendingMail], None],
        on_rejected: Callable[[], None],
    ) -> None:
        self._relay = relay
        self._limit = limit
        self._chunk = max(1, min(_MAX_CHUNK, chunk))
        self._admit = admit
        self._on_rejected = on_rejected
        self._gates: dict[str, LaneQueue[PendingMail]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._gates.values()))

    def hold(self, pending: PendingMail) -> None:
        """Hold a message until its rate allows."""
        name = pending.domain_name
        self._hold(name if self._limit.is_limited(name) else _RELAY, pending)

    def _hold(self, gate: str, pending: PendingMail) -> None:
        delayed = self._gates.get(gate)
        if delayed is not None:
            delayed.append(pending)
            return
        delayed = self._gates[gate] = LaneQueue()
        delayed.append(pending)
        task = asyncio.get_running_loop().create_task(self._serve(gate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drain(self) -> list[PendingMail]:
        """Remove and return every delayed message."""
        delayed = [pending for domain in self._gates.values() for pending in domain]
        for domain in self._gates.values():
            domain.clear()
        return delayed

    def close(self) -> None:
        """Stop; delayed messages come back unsent."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, gate: str) -> None:
        delayed = self._gates[gate]
        delay_s = 1.0  # the retry_after_s of the results if the limit itself is unavailable
        try:
            while delayed:
                n = min(len(delayed), self._chunk)
                delay_s = await self._limit.acquire(self._relay, gate, n)
                if delay_s > _MAX_WAIT_S:
                    break
                if delay_s > 0:
                    await asyncio.sleep(delay_s)
                for _ in range(min(n, len(delayed))):
                    if gate == _RELAY:
                        self._admit(delayed.popleft())
                    else:
                        self._hold(_RELAY, delayed.popleft())
        finally:
            # Forget the gate before `on_rejected`, which checks if anything is still delayed: else a drain would wait
            # for these messages until its timeout.
            del self._gates[gate]
            result = SendResult(
                SendStatus.unsent, Reason.rate_limited, relay=self._relay, retry_after_s=max(delay_s, 1.0)
            )
            for pending in delayed:
                pending.resolve(result)
            self._on_rejected()
