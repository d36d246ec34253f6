"""Hands mail to relays: the first in order that is well takes it, and every mail comes to one result."""

import asyncio
from collections.abc import Sequence

from service.adapters.smtp.addresses import address_domain, sender_fits
from service.adapters.smtp.health import RelayHealth, RelayState
from service.adapters.smtp.pool import Pool
from service.adapters.smtp.queue import PendingMail
from service.adapters.smtp.relay import Relay
from service.model.mail import OutgoingMail, SendResult, SendStatus
from service.model.reasons import Reason, SendReason
from service.ports import SendRateLimit


class SmtpTransport:
    """Relays in order of preference. Use it on one event loop, between `start` and `close`.

    `limit` is asked before mails go out when given; else each relay keeps its own `rate`, if it has one.
    """

    def __init__(self, relays: Sequence[Relay], *, limit: SendRateLimit | None = None) -> None:
        if not relays:
            raise ValueError("at least one relay is needed")
        self._relays = relays
        self._limit = limit
        self._pools: list[Pool] = []
        self._accepting = self._open = False

    async def start(self) -> None:
        """Begin to open connections; returns at once, `state` tells how it goes."""
        self._loop = asyncio.get_running_loop()
        self._pools = [Pool(relay, self._place, self._limit) for relay in self._relays]
        self._accepting = self._open = True
        for pool in self._pools:
            pool.start()

    def submit(self, mail: OutgoingMail) -> "asyncio.Future[SendResult]":
        """Queue a mail. The future never raises; cancelling it forgets the mail if it has not been begun."""
        future = self._loop.create_future()
        domain = address_domain(mail.recipient)
        if domain is None or not sender_fits(mail.sender):
            future.set_result(SendResult(SendStatus.bounced, Reason.invalid_address))
            return future
        if not self._accepting:
            future.set_result(SendResult(SendStatus.unsent, SendReason.closing))
        else:
            self._place(PendingMail(mail, domain, future))
        return future

    def state(self) -> list[RelayHealth]:
        """Every relay in order of preference, for readiness and metrics."""
        return [pool.state() for pool in self._pools]

    async def close(self, drain_s: float = 20.0) -> None:
        """Take no more, finish what is queued for at most `drain_s` seconds, then end every connection.

        What was not begun comes back as `unsent`; what was beyond its final dot as `ambiguous`.
        """
        self._accepting = False
        await asyncio.gather(*(pool.drained(drain_s) for pool in self._pools))
        self._open = False
        await asyncio.gather(*(pool.close() for pool in self._pools))

    def _place(self, pending: PendingMail) -> None:
        if self._open:
            for pool in self._pools:
                if pool.health.usable:
                    pool.offer(pending)
                    return
        pending.resolve(self._nowhere(pending))

    def _nowhere(self, pending: PendingMail) -> SendResult:
        """No relay may be used: nobody's fault but the channel's."""
        if not self._open:
            return SendResult(SendStatus.unsent, SendReason.closing)
        soonest = min(self._pools, key=lambda pool: pool.health.until)
        everywhere = all(pool.health.state is RelayState.misconfigured for pool in self._pools)
        reason = soonest.health.reason if everywhere else Reason.relay_unavailable
        return SendResult(
            SendStatus.deferred if pending.attempted else SendStatus.unsent,
            Reason.relay_unavailable if pending.attempted or reason is None else reason,
            relay=soonest.relay.name,
            retry_after_s=soonest.health.rests_for(),
        )
