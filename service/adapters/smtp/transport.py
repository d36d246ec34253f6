"""Route messages to relays: the first usable one in order of preference gets each, and each has one result."""

import asyncio
from collections.abc import Sequence

from service.adapters.smtp.envelope import is_valid_sender
from service.adapters.smtp.pool import Pool
from service.adapters.smtp.queue import PendingMail
from service.adapters.smtp.relay import Relay
from service.model.address import address_domain
from service.model.mail import OutgoingMail, SendResult, SendStatus
from service.model.reasons import Reason, SendReason
from service.model.relay import RelayHealth, RelayState
from service.ports import MailClaims, SendRateLimit


class SmtpTransport:
    """Relays in order of preference, for use on one event loop, between `start` and `close`.

    `limit` reserves the rate before messages are sent; without it there is none.
    """

    def __init__(self, relays: Sequence[Relay], *, limit: SendRateLimit | None = None) -> None:
        if not relays:
            raise ValueError("at least one relay is needed")
        self._relays = relays
        self._limit = limit
        self._pools: list[Pool] = []
        self._open = False
        self.closing = False

    async def start(self) -> None:
        """Begin to open connections and return at once; `state` reports the progress."""
        self._loop = asyncio.get_running_loop()
        self._pools = [Pool(relay, self._route, self._limit) for relay in self._relays]
        self._open = True
        for pool in self._pools:
            pool.start()

    def submit(self, mail: OutgoingMail, claims: MailClaims | None = None) -> "asyncio.Future[SendResult]":
        """Queue a message and return its future, which never raises; cancel it to drop a message not yet claimed.

        With `claims` it is claimed shortly before a connection sends it, and sent only while its lease holds.
        """
        future = self._loop.create_future()
        domain = address_domain(mail.recipient)
        if domain is None or not is_valid_sender(mail.sender):
            future.set_result(SendResult(SendStatus.bounced, Reason.invalid_address))
            return future
        self._route(PendingMail(mail, domain, future, claims))
        return future

    def state(self) -> list[RelayHealth]:
        """Return every relay in order of preference, for readiness and metrics."""
        return [pool.state() for pool in self._pools]

    async def close(self, drain_s: float = 20.0) -> None:
        """Return what is not at a relay as `unsent` at once; wait at most `drain_s` seconds for the relays' replies.

        Then close every connection: messages that still have no reply are `ambiguous`. May be called again.
        """
        self.closing, self._open = True, False
        await asyncio.gather(*(pool.drain(drain_s) for pool in self._pools))
        await asyncio.gather(*(pool.close() for pool in self._pools))

    def _route(self, pending: PendingMail, fallback: SendResult | None = None) -> None:
        if self._open:
            if self._pools[0].health.pristine and not pending.unable:
                self._pools[0].enqueue(pending)
                return
            able = [pool for pool in self._pools if pool.relay.name not in pending.unable]
            # A relay in trial takes one message at a time: the others do not wait for it while another relay is usable.
            usable = [pool for pool in able if pool.health.usable]
            if usable:
                next((pool for pool in usable if pool.open), usable[0]).enqueue(pending)
                return
            if able and pending.unable:
                # One that rests now may take it later. The attempt counts: other messages do not wait for this one.
                pending.attempted, fallback = True, None
        pending.resolve(fallback or self._without_relay(pending))

    def _without_relay(self, pending: PendingMail) -> SendResult:
        """Return the result when no relay is usable: an attempt counts only if a relay has seen the envelope."""
        if not self._open:
            return SendResult(SendStatus.unsent, SendReason.closing)
        soonest = min(self._pools, key=lambda pool: pool.health.cooldown_until)
        everywhere = all(pool.health.state is RelayState.misconfigured for pool in self._pools)
        reason = soonest.health.reason if everywhere else Reason.relay_unavailable
        return SendResult(
            SendStatus.deferred if pending.attempted else SendStatus.unsent,
            Reason.relay_unavailable if pending.attempted or reason is None else reason,
            relay=soonest.relay.name,
            retry_after_s=soonest.health.cooldown_left_s(),
        )
