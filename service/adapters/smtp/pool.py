"""The connections to one relay: opened as messages queue, kept open, and closed as the relay demands."""

import asyncio
import logging
from time import monotonic

import structlog

from service.adapters.smtp.await_event import await_event
from service.adapters.smtp.connect import RelayFault, open_connection, tls_context
from service.adapters.smtp.connection import TIMED_OUT, Connection
from service.adapters.smtp.health import EFFECT_STATES, RelayHealthTracker, Suspicion
from service.adapters.smtp.look_ahead import LookAhead
from service.adapters.smtp.queue import MailQueue, PendingMail, Route
from service.adapters.smtp.rate import Throttle
from service.adapters.smtp.refusal_log import log_refusal
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.replies import accepted_result, to_reply
from service.adapters.smtp.reply_log import ReplyLog
from service.model.classifier import Diagnosis, RelayEffect, SmtpPhase, classify
from service.model.mail import Reply, SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.model.relay import RelayHealth, RelayState
from service.observability.metrics import RELAY_FAILURES
from service.ports import SendRateLimit

log = structlog.get_logger(__name__)
_stdlib_log = logging.getLogger(__name__)  # knows the level without building the fields of a line

_MAX_TRIES = 3  # of a message whose connections break before its end of data


class Pool:
    """One relay: its queue, its connections and its health. `route` finds a relay for a message again."""

    def __init__(self, relay: Relay, route: Route, limit: SendRateLimit | None) -> None:
        self.relay = relay
        self._loop = asyncio.get_running_loop()
        self.health = RelayHealthTracker(relay.cooldowns)
        self._route = route
        self._context = tls_context(relay)
        most = relay.max_connections  # a fifth of them is never for one domain alone
        self._queue = MailQueue(min(relay.domain_concurrency, max(1, most - most // 5)), max(1, most // 4))
        self._look_ahead = LookAhead(self._queue, self._claimable_now, self._admit, self._dispatch)
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._growth_paused_until = 0.0
        self._replies = ReplyLog()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._drained: asyncio.Event | None = None  # not None: closing
        self._closed = False
        chunk = int((relay.rate or 200.0) / 10)
        self._throttle = (
            None if limit is None else Throttle(relay.name, limit, chunk, self._admit, self._dispatch)
        )

    def start(self) -> None:
        """Open the first connection, so that a fault in the settings shows at once."""
        self._check_deadlines()
        self._open()

    def enqueue(self, pending: PendingMail) -> None:
        """Send a message as soon as its rate, its domain and a connection allow."""
        # A message that was in flight has its rate reserved already.
        if self._throttle is not None and not pending.tries:
            self._throttle.hold(pending)
        else:
            self._admit(pending)

    @property
    def open(self) -> bool:
        """Return whether a message is sent at once: the relay is usable, and is not busy with a trial."""
        health = self.health
        return health.usable and (health.state is not RelayState.trial or not self._busy())

    def state(self) -> RelayHealth:
        """Return this relay for readiness and metrics."""
        health, throttle = self.health, self._throttle
        queued = len(self._queue) + (0 if throttle is None else len(throttle))
        return RelayHealth(
            self.relay.name, health.state, health.reason, health.detail, health.cooldown_left_s(),
            connections=len(self._connections), in_flight=self._queue.active, queued=queued, since_ms=health.since_ms,
            accepted=self._replies.accepted, replies=self._replies.newest(),
        )  # fmt: skip

    async def drain(self, timeout_s: float) -> None:
        """Return what has not reached its end of data as unsent; wait at most `timeout_s` seconds for other replies.

        A message whose envelope is out comes back too: its body would have to wait for the reply to the one before it.
        """
        if self._drained is None:
            self._drained = asyncio.Event()
        for pending in self._take_all():
            pending.resolve_unsent(SendReason.closing, self.relay.name)
        self._quit_idle()
        for connection in [*self._connections]:
            connection.finish()
        if self._busy():
            await await_event(self._drained, timeout_s)

    async def close(self) -> None:
        """Close every connection: queued messages are unsent, messages beyond their end of data are ambiguous."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        if self._throttle is not None:
            self._throttle.close()
        opening = [*self._opening]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, self._look_ahead.close(), return_exceptions=True)
        self._quit_idle()
        if left := sum(connection.awaits_reply for connection in self._connections):
            log.warning("drain_left_messages", relay=self.relay.name, ambiguous=left)
        for connection in [*self._connections]:
            if connection.busy:
                connection.abort("closing")
        deadline = monotonic() + min(1.0, self.relay.timeouts.quit_s)
        while self._connections and monotonic() < deadline:
            self._drained = asyncio.Event()
            await await_event(self._drained, deadline - monotonic())
        for connection in [*self._connections]:
            connection.abort("closing")

    # called by connections
    def next_message(self, leader: PendingMail | None) -> PendingMail | None:
        """Return the next message if the relay is usable; in a trial one at a time."""
        health = self.health
        if self._drained is not None or (
            not health.pristine
            and (not health.usable or (health.state is RelayState.trial and self._queue.active > 0))
        ):
            return None
        while (pending := self._queue.pop(leader)) is not None:
            if pending.may_be_sent():
                self._look_ahead.begin()
                return pending
            self._queue.release(pending)
            pending.resolve_unsent(Reason.lease_over, self.relay.name)
        self._look_ahead.refill()
        return None

    def may_be_sent(self, pending: PendingMail) -> bool:
        """Return whether the body may still be written: nothing was paused for so long that its claim is lost."""
        return self._drained is None and pending.may_be_sent()

    def connection_idle(self, connection: Connection) -> None:
        """Keep it for the next message; the last one to become idle is woken first, so that the others age out."""
        if self.health.usable and self._drained is None:
            self._idle.append(connection)
        else:
            connection.quit()

    def connection_closed(self, connection: Connection, error: str) -> None:
        """Forget a connection; enough failures in a row open the breaker."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if error:
            RELAY_FAILURES.add((self.relay.name, "dialogue"))
            if self.health.usable and self.health.record_failure(error, silent=error.startswith(TIMED_OUT)):
                self._suspend()
        self._dispatch()

    def message_accepted(self, pending: PendingMail, code: int, text: bytes) -> None:
        """Resolve the message: the relay is responsible for it now (RFC 5321 section 6.1)."""
        self._queue.release(pending)
        self._replies.note_accepted(code, text)
        if not self.health.pristine:
            self.health.record_accepted()
        pending.resolve(accepted_result(code, text, self.relay.name))
        # This connection takes its next message by itself: dispatch only if another one could take a message too.
        if self._drained is not None or (
            self._queue.ready.size and (self._idle or len(self._connections) < self.relay.max_connections)
        ):
            self._dispatch()

    def message_refused(self, pending: PendingMail, phase: SmtpPhase, code: int, text: bytes) -> bool:
        """Apply the meaning of the reply to the message and to the relay; return True if the connection must close."""
        reply = to_reply(code, text)
        diagnosis = classify(reply, phase)
        self._replies.note_refused(reply)
        if _stdlib_log.isEnabledFor(logging.DEBUG):
            log_refusal(pending.mail.delivery_id, self.relay.name, phase, reply, diagnosis)
        self._queue.release(pending)
        # The relay before the message: else a relay that must cool down would get the message again.
        self._apply_effect(pending, diagnosis, reply)
        rotates = diagnosis.effect in (RelayEffect.rotate, RelayEffect.broken)
        if diagnosis.status is SendStatus.unsent:
            self._retry(pending, diagnosis.reason, reply, phase, counts=rotates)
        else:
            result = SendResult(
                diagnosis.status, diagnosis.reason, reply, self.relay.name, phase.value,
                diagnosis.suppress, diagnosis.retry_after_s, diagnosis.scores,
            )  # fmt: skip
            if diagnosis.fault.ours and not self.health.usable and pending.may_be_sent():
                # The fault is between us and this relay: another one may take the message now.
                self._route(pending, result)
            else:
                pending.resolve(result)
        self._dispatch()
        return rotates

    def message_unsendable(self, pending: PendingMail, reason: ResultReason) -> None:
        """Offer the message to the relays that may take it. Without one it bounces: nothing was sent."""
        self._queue.release(pending)
        result = SendResult(SendStatus.bounced, reason, relay=self.relay.name)
        if reason is Reason.invalid_content:
            pending.resolve(result)
        else:
            pending.unable |= {self.relay.name}
            self._route(pending, result)

    def message_interrupted(self, pending: PendingMail, reason: ResultReason, phase: SmtpPhase) -> None:
        """Retry on another connection or relay; after three broken connections defer: that is one attempt."""
        self._queue.release(pending)
        pending.attempted = pending.attempted or reason is not Reason.relay_busy
        self._retry(pending, reason, None, phase, counts=reason is not Reason.relay_busy)

    def message_ambiguous(self, pending: PendingMail, reason: ResultReason) -> None:
        """Resolve the message without a retry: only the caller can decide if a duplicate is worse than a loss."""
        self._queue.release(pending)
        pending.resolve(SendResult(SendStatus.ambiguous, reason, relay=self.relay.name, phase="final"))

    def _retry(
        self, pending: PendingMail, reason: ResultReason, reply: Reply | None, phase: SmtpPhase, counts: bool
    ) -> None:
        pending.tries += counts
        if not pending.may_be_sent():
            pending.resolve_unsent(Reason.lease_over, self.relay.name)
        elif pending.tries < _MAX_TRIES:
            self._route(pending)
        else:
            pending.resolve(SendResult(SendStatus.deferred, reason, reply, self.relay.name, phase.value))

    # health of the relay

    def _apply_effect(self, pending: PendingMail, diagnosis: Diagnosis, reply: Reply) -> None:
        if diagnosis.effect is RelayEffect.broken:
            if self.health.usable and self.health.record_failure(str(reply)):
                self._suspend()
            return
        state = EFFECT_STATES.get(diagnosis.effect)
        if state is None:
            if not self.health.pristine and diagnosis.effect is RelayEffect.none:
                self.health.record_reply()
            return
        self.health.record_answer()
        suspicion = Suspicion(state, diagnosis.reason, str(reply))
        if diagnosis.at_once:
            # Only once: when many connections get the same 421, that is one cooldown, not many doubled ones.
            stops = self.health.usable
            if stops:
                base_s = diagnosis.retry_after_s if state is RelayState.cooldown else None
                self.health.cool_down(*suspicion, base_s)
        else:
            recipient, seen = pending.mail.recipient, self._queue.domains_seen
            stops = self.health.record_suspicion(recipient, pending.domain_name, suspicion, seen)
        if stops:
            self._suspend()

    def _suspend(self) -> None:
        """Close idle connections, route queued messages again, and reconnect when the cooldown is over."""
        self._quit_idle()
        self._reconnect_after_cooldown()
        for pending in self._take_all():
            self._route(pending)

    def _reconnect_after_cooldown(self) -> None:
        """Open a connection when the cooldown is over; the timer of a loop may fire a little early."""
        if (left_s := self.health.cooldown_left_s()) > 0:
            if "reconnect" in self._timers:
                self._timers["reconnect"].cancel()
            self._timers["reconnect"] = self._loop.call_later(left_s, self._reconnect_after_cooldown)
        else:
            self._open()

    # queue and connections

    def _quit_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.quit()

    def _take_all(self) -> list[PendingMail]:
        return self._queue.drain() + (self._throttle.drain() if self._throttle is not None else [])

    def _admit(self, pending: PendingMail) -> None:
        # It was held for its rate, or claimed, and the relay became unusable meanwhile, or closes.
        if not self.health.usable or self._drained is not None:
            self._queue.deselect(pending)
            self._route(pending)
            return
        self._queue.push(pending, first=pending.tries > 0)
        if pending.claimable:
            self._look_ahead.refill()
            if not self._idle and len(self._connections) + len(self._opening) < self.relay.max_connections:
                self._grow()
            return
        # An idle connection before a new one: a new one costs several round trips, and TLS.
        if self._idle:
            self._idle.pop().wake()
        elif len(self._connections) + len(self._opening) < self.relay.max_connections:
            self._grow()

    def _dispatch(self) -> None:
        """Wake idle connections, then open new ones, for the queued messages; report when everything is finished."""
        for _ in range(min(len(self._idle), len(self._queue.ready))):
            self._idle.pop().wake()
        self._grow()
        if self._drained is not None and not self._busy():
            self._quit_idle()
            self._drained.set()

    def _busy(self) -> bool:
        return bool(self._queue.active or self._queue or self._throttle or self._look_ahead.busy)

    def _claimable_now(self) -> int:
        """Return how many connections may begin a message: none of a relay that cannot be used."""
        if not self.health.usable or self._drained is not None:
            return 0
        if self.health.state is RelayState.trial:
            return int(not self._queue.active and not self._queue.ready and bool(self._connections))
        return len(self._connections)

    def _grow(self) -> None:
        """Open a connection for each message that is ready for one; in a trial one in all.

        A connection being opened counts as if it had its message, or each message would open one more meanwhile.
        """
        health = self.health
        others = self._connections or self._opening
        if not health.usable or (others and monotonic() < self._growth_paused_until):
            return
        most = 1 if health.state is RelayState.trial else self.relay.max_connections
        room = most - len(self._connections) - len(self._opening)
        for _ in range(min(room, self._queue.startable - len(self._opening))):
            self._open()

    def _open(self) -> None:
        if self._closed:
            return
        task = self._loop.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)  # before `_dispatch`: it takes those being opened off the growth
        if not task.cancelled() and (error := task.exception()) is not None:
            detail = f"{type(error).__name__}: {error}"
            fault = RelayFault(RelayState.misconfigured, SendReason.misconfigured, detail)
            self._open_failed(fault, answered=True)
        self._dispatch()

    async def _connect(self) -> None:
        answers = self._replies.answers
        try:
            transport, offered = await open_connection(self.relay, self._context)
        except RelayFault as fault:
            self._open_failed(fault, answered=self._replies.answers != answers)
            return
        connection = Connection(self, self.relay, transport, offered)
        self._connections.add(connection)
        # The trial begins before the connection is woken: an unusable relay gets no message.
        if not self.health.usable and monotonic() >= self.health.cooldown_until:
            self.health.begin_trial()
        connection.wake()

    def _open_failed(self, fault: RelayFault, *, answered: bool) -> None:
        """Pause growth while other connections exist or are being opened; without any the relay is unavailable.

        `answered`: the relay replied to a message since this connection was begun, so it is there and limits how many
        it takes. Where it did not, the failure counts: the other connections may wait in vain too.
        """
        RELAY_FAILURES.add((self.relay.name, fault.step))
        broken = fault.state is RelayState.breaker_open and not answered and self.health.usable
        if broken and self.health.record_failure(fault.detail, silent=fault.silent):
            self._suspend()
            return
        # the failed one is still among those being opened
        others = self._connections or len(self._opening) > 1
        if others and self.health.usable and fault.state is not RelayState.misconfigured:
            self._growth_paused_until = monotonic() + self.relay.cooldowns.busy_s
            return
        if self.health.usable or monotonic() >= self.health.cooldown_until:
            base_s = self.relay.cooldowns.unavailable_s if fault.state is RelayState.breaker_open else None
            self.health.cool_down(fault.state, fault.reason, fault.detail, base_s, on_connect=True)
            self._suspend()

    def _check_deadlines(self) -> None:
        """Check the deadline of every connection: one timer per relay, not one per message."""
        now = monotonic()
        for connection in [*self._connections]:
            if connection.check_deadline(now) and connection in self._idle:
                self._idle.remove(connection)
        shortest_s = min(self.relay.timeouts.shortest_reply_s, self.relay.idle_close_s)
        self._timers["deadlines"] = self._loop.call_later(min(1.0, shortest_s / 4), self._check_deadlines)
