"""The connections to one relay: opened as mail waits, rested and retired as the relay asks."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from service.adapters.smtp.classify import Effect, ReplyMeaning, SmtpPhase, classify
from service.adapters.smtp.connect import RelayFault, open_connection, tls_context
from service.adapters.smtp.connection import Connection
from service.adapters.smtp.health import RelayHealth, RelayHealthTracker, RelayState
from service.adapters.smtp.queue import MailQueue, PendingMail
from service.adapters.smtp.rate import SteadyRate, Throttle
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.replies import taken, to_reply
from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.ports import SendRateLimit

_MOST_TRIES = 3  # of a mail whose connections break before its final dot


class Pool:
    """Everything about one relay. `place` finds a relay again for a mail that this one does not send."""

    def __init__(
        self, relay: Relay, place: Callable[[PendingMail], None], limit: SendRateLimit | None
    ) -> None:
        self.relay = relay
        self._loop = asyncio.get_running_loop()
        self.health = RelayHealthTracker(relay.rests)
        self._place = place
        self._context = tls_context(relay)
        most = relay.max_connections  # a fifth of them is never for one domain alone
        self._waiting = MailQueue(min(relay.domain_concurrency, max(1, most - most // 5)), max(1, most // 4))
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._no_more_until = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._quiet: asyncio.Event | None = None
        self._closed = False
        if limit is None and relay.rate:
            limit = SteadyRate(relay.rate)
        chunk = int((relay.rate or 200.0) / 10)
        self._gate = None if limit is None else Throttle(relay.name, limit, chunk, self._admit, self._more)

    def start(self) -> None:
        """Open the first connection, so that a fault in the settings shows at once."""
        self._sweep()
        self._open()

    def offer(self, pending: PendingMail) -> None:
        """Send a mail as soon as a connection, its domain and the rate allow."""
        if self._gate is not None and not pending.tries:
            self._gate.enter(pending)
        else:
            self._admit(pending)

    def state(self) -> RelayHealth:
        """This relay for readiness and metrics."""
        health = self.health
        waiting = len(self._waiting) + (len(self._gate) if self._gate is not None else 0)
        return RelayHealth(
            self.relay.name, health.state, health.reason, health.detail, health.rests_for(),
            connections=len(self._connections), in_flight=self._waiting.active, waiting=waiting,
        )  # fmt: skip

    async def drained(self, seconds: float) -> None:
        """Finish what waits, for at most so long."""
        self._quiet = asyncio.Event()
        if self._busy():
            await _within(self._quiet, seconds)

    async def close(self) -> None:
        """End every connection; what waits still is unsent, what is beyond its dot ambiguous."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        if self._gate is not None:
            self._gate.close()
        opening = [*self._opening]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for pending in self._drain():
            pending.resolve(SendResult(SendStatus.unsent, SendReason.closing, relay=self.relay.name))
        self._retire_idle()
        for connection in [*self._connections]:
            if connection.busy:
                connection.abort("closing")
        deadline = monotonic() + min(1.0, self.relay.timeouts.quit)
        while self._connections and monotonic() < deadline:
            self._quiet = asyncio.Event()
            await _within(self._quiet, deadline - monotonic())
        for connection in [*self._connections]:
            connection.abort("closing")

    def take(self, behind: PendingMail | None) -> PendingMail | None:
        """The next mail, unless the relay is left alone; in a trial only one at a time."""
        health = self.health
        if not health.pristine and (
            not health.usable or (health.state is RelayState.trial and self._waiting.active > 0)
        ):
            return None
        return self._waiting.pop(behind)

    def idle(self, connection: Connection) -> None:
        """Keep it for the next mail; the last one to fall idle is woken first, so that the others age out."""
        if self.health.usable and (self._quiet is None or self._busy()):
            self._idle.append(connection)
        else:
            connection.retire()

    def gone(self, connection: Connection, broken: str) -> None:
        """Forget a connection; enough broken ones in a row open the breaker."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if broken and self.health.usable and self.health.broke(broken):
            self._stand_down()
        self._more()

    def accepted(self, pending: PendingMail, code: int, text: bytes) -> None:
        """The relay answers for it now."""
        self._waiting.release(pending)
        if not self.health.pristine:
            self.health.worked()
        pending.resolve(taken(code, text, self.relay.name))
        if self._quiet is not None or (
            self._waiting.ready and (self._idle or len(self._connections) < self.relay.max_connections)
        ):
            self._more()

    def refused(self, pending: PendingMail, phase: SmtpPhase, code: int, text: bytes) -> bool:
        """Do what the table says with the mail and with the relay."""
        reply = to_reply(code, text)
        verdict = classify(reply, phase)
        self._waiting.release(pending)
        self._react(pending, verdict, reply)
        if verdict.status is SendStatus.unsent:
            self._again(pending, verdict.reason, reply, phase, counts=verdict.effect is Effect.rotate)
        else:
            pending.resolve(
                SendResult(
                    verdict.status, verdict.reason, reply, self.relay.name, phase.value,
                    verdict.suppress, verdict.retry_after_s,
                )
            )  # fmt: skip
        self._more()
        return verdict.effect is Effect.rotate

    def impossible(self, pending: PendingMail, reason: ResultReason) -> None:
        """Nothing was sent, and nothing will be."""
        self._waiting.release(pending)
        pending.resolve(SendResult(SendStatus.bounced, reason, relay=self.relay.name))

    def unfinished(self, pending: PendingMail, reason: ResultReason, phase: SmtpPhase) -> None:
        """Another connection, perhaps another relay; three broken ones are enough for one attempt."""
        self._waiting.release(pending)
        pending.attempted = pending.attempted or reason is not Reason.relay_busy
        self._again(pending, reason, None, phase, counts=reason is not Reason.relay_busy)

    def ambiguous(self, pending: PendingMail, reason: ResultReason) -> None:
        """Only the caller can decide whether a second mail is worse than none."""
        self._waiting.release(pending)
        pending.resolve(SendResult(SendStatus.ambiguous, reason, relay=self.relay.name, phase="final"))

    def _again(
        self, pending: PendingMail, reason: ResultReason, reply: Reply | None, phase: SmtpPhase, counts: bool
    ) -> None:
        pending.tries += counts
        if pending.tries < _MOST_TRIES:
            self._place(pending)
        else:
            pending.resolve(SendResult(SendStatus.deferred, reason, reply, self.relay.name, phase.value))

    def _react(self, pending: PendingMail, verdict: ReplyMeaning, reply: Reply) -> None:
        mail = pending.mail.delivery_id
        if verdict.effect is Effect.none:
            if not self.health.pristine:
                self.health.answered()
        elif verdict.effect is Effect.rest:
            self._rest(RelayState.resting, verdict.reason, str(reply), verdict.retry_after_s)
        elif verdict.effect is Effect.fault:
            self._rest(RelayState.misconfigured, verdict.reason, str(reply))
        elif verdict.effect is Effect.suspect and self.health.suspect(mail, verdict.reason, str(reply)):
            self._stand_down()

    def _rest(self, state: RelayState, reason: ResultReason, detail: str, base: float | None = None) -> None:
        if self.health.usable:
            self.health.rest(state, reason, detail, base)
            self._stand_down()

    def _stand_down(self) -> None:
        """Give back what waits, let idle connections go, and come back when the rest is over."""
        self._retire_idle()
        self._return()
        for pending in self._drain():
            self._place(pending)

    def _return(self) -> None:
        """Open a connection when the rest is over; a loop's timer may come a little before its time."""
        if (left := self.health.rests_for()) > 0:
            if "return" in self._timers:
                self._timers["return"].cancel()
            self._timers["return"] = self._loop.call_later(left, self._return)
        else:
            self._open()

    def _retire_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.retire()

    def _drain(self) -> list[PendingMail]:
        return self._waiting.drain() + (self._gate.drain() if self._gate is not None else [])

    def _admit(self, pending: PendingMail) -> None:
        if not self.health.usable:  # it was held for its rate, and the relay went away meanwhile
            self._place(pending)
            return
        self._waiting.push(pending, first=pending.tries > 0)
        if self._idle:
            self._idle.pop().wake()
        elif len(self._connections) + len(self._opening) < self.relay.max_connections:
            self._grow()

    def _more(self) -> None:
        """Something has changed: put idle connections to work, open new ones, or tell that all is done."""
        for _ in range(min(len(self._idle), len(self._waiting.ready))):
            self._idle.pop().wake()
        self._grow()
        if self._quiet is not None and not self._busy():
            self._retire_idle()
            self._quiet.set()

    def _busy(self) -> bool:
        return bool(self._waiting.active or self._waiting or self._gate)

    def _grow(self) -> None:
        """Open as many connections as mails wait for one; in a trial one."""
        health = self.health
        others = self._connections or self._opening
        if not health.usable or (others and monotonic() < self._no_more_until):
            return
        most = 1 if health.state is RelayState.trial else self.relay.max_connections
        room = most - len(self._connections) - len(self._opening)
        for _ in range(min(room, len(self._waiting.ready) - len(self._opening))):
            self._open()

    def _open(self) -> None:
        if self._closed:
            return
        task = self._loop.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            detail = f"{type(error).__name__}: {error}"
            self._could_not_open(RelayFault(RelayState.misconfigured, SendReason.misconfigured, detail))
        self._more()

    async def _connect(self) -> None:
        try:
            transport, offered = await open_connection(self.relay, self._context)
        except RelayFault as fault:
            self._could_not_open(fault)
            return
        connection = Connection(self, self.relay, transport, offered)
        self._connections.add(connection)
        if not self.health.usable and monotonic() >= self.health.until:
            self.health.try_again()
        connection.wake()

    def _could_not_open(self, fault: RelayFault) -> None:
        """While others live or may yet come, one more is only not to be had now; else the relay is away."""
        others = self._connections or len(self._opening) > 1
        if others and self.health.usable and fault.state is not RelayState.misconfigured:
            self._no_more_until = monotonic() + self.relay.rests.busy
            return
        if self.health.usable or monotonic() >= self.health.until:
            base = self.relay.rests.away if fault.state is RelayState.breaker_open else None
            self.health.rest(fault.state, fault.reason, fault.detail, base)
            self._stand_down()

    def _sweep(self) -> None:
        """Look at every connection's deadline: one timer a relay, not one a mail."""
        now = monotonic()
        for connection in [*self._connections]:
            if connection.check(now) and connection in self._idle:
                self._idle.remove(connection)
        times = self.relay.timeouts
        shortest = min(times.mail, times.rcpt, times.data, times.final, times.block, self.relay.idle_close_s)
        self._timers["sweep"] = self._loop.call_later(min(1.0, shortest / 4), self._sweep)


async def _within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation (fixed in Python 3.12)
            await event.wait()
