"""One connection: a grouped writer (RFC 2920) that keeps a single round trip a mail and checks every reply.

    [MAIL | RCPT | DATA]  →  250 250 354
    [body . | MAIL | RCPT | DATA]  →  250, 250 250 354
    [body .]  →  250

Where the relay offers no PIPELINING the same steps go one by one. A connection in doubt is aborted, never reused.
"""

import asyncio
from collections import deque
from time import monotonic

from service.adapters.smtp.classify import SmtpPhase
from service.adapters.smtp.content import dot_stuffed
from service.adapters.smtp.envelope import Extensions, envelope
from service.adapters.smtp.queue import PendingMail
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.replies import ReplyParser, group_accepted
from service.adapters.smtp.steps import ENVELOPE, ConnectionOwner, DialogueStep
from service.adapters.smtp.writer import CHUNK, ConnectionWriter
from service.model.reasons import Reason, ResultReason

_SLOW_S = 1.0  # a domain that takes longer after the dot gets no envelope behind its mails
_RCPT, _DATA, _FINAL, _DOT = DialogueStep.rcpt, DialogueStep.data, DialogueStep.final, DialogueStep.dot
_GROUP = (_FINAL, *ENVELOPE)


class Connection(ConnectionWriter):
    """Drives one transport that is ready for MAIL. All calls come from the event loop; nothing here awaits.

    At most two mails are on it: `_ending`, whose body is being written or whose final reply is awaited, and
    `_current`, whose envelope is out. Only the first can become ambiguous.
    """

    def __init__(
        self, owner: ConnectionOwner, relay: Relay, transport: asyncio.Transport, offered: Extensions
    ) -> None:
        super().__init__(transport, relay.timeouts)
        self._owner = owner
        self._relay = relay
        self._offered = offered
        self._parser = ReplyParser()
        self._commands: deque[tuple[DialogueStep, bytes]] = deque()  # still to be written, without PIPELINING
        self._ending: PendingMail | None = None
        self._current: PendingMail | None = None
        self._refusal: tuple[SmtpPhase, int, bytes] | None = None  # of the current mail
        self._has_recipient = False
        self._invited = False  # 354
        self._over = False
        self._left = relay.max_mails_per_connection
        self._expires = monotonic() + relay.max_connection_age_s

    # what the pool asks

    def wake(self) -> None:
        """Send what waits, if anything does."""
        if not self._over:
            self._next()

    def retire(self) -> None:
        """Say goodbye. Only for an idle connection."""
        if not self._over:
            self._ask(b"QUIT\r\n", (DialogueStep.quit,))

    @property
    def busy(self) -> bool:
        """Whether a mail is on it."""
        return self._ending is not None or self._current is not None

    def abort(self, reason: str) -> None:
        """End it at once, with every mail on it accounted for."""
        self._end(reason, Reason.relay_unavailable)

    def check(self, now: float) -> bool:
        """Called from time to time. True when it was idle for too long and is leaving now."""
        waits = bool(self._expected) or self._rest is not None
        if now >= self._expires:
            self._left = 0
        if self._over or now < (self._deadline if waits or self._left else 0.0):
            return False
        if waits:
            leaving = DialogueStep.quit in self._expected
            self._end("" if leaving else "time-out", Reason.relay_unavailable)
        else:
            self.retire()
        return not waits

    # what the transport tells

    def data_received(self, data: bytes) -> None:
        """Check every reply against what was sent; go on when all have come."""
        if self._over:
            return
        expected = self._expected
        whole = len(expected) == 4 and expected[0] is _FINAL and not self._parser.partial
        if whole and (final := group_accepted(data)) is not None:
            expected.clear()
            self._has_recipient = self._invited = True
            self._final(250, final)
            self._begin_body()
            return
        for code, text in self._parser.feed(data):
            if not expected:
                self._unsolicited(code, text)
                return
            step = expected.popleft()
            if code == 421:
                self._dismissed(step, text)
                return
            if not self._answer(step, code, text):
                return
        if self._parser.fault:
            self._end(self._parser.fault, Reason.malformed_reply)
        elif expected:
            self._deadline = monotonic() + self._limits[expected[0]]
        elif self._parser.partial:
            # What has begun is no answer to anything; but in the midst of a body it may become one.
            if self._rest is None:
                self._end("bytes that nothing asked for", Reason.malformed_reply)
        elif self._rest is None:
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Every mail on it is accounted for by how far it came."""
        busy = bool(self._expected or self._rest is not None) and DialogueStep.quit not in self._expected
        self._end("connection lost" if busy else "", Reason.relay_unavailable)

    # the dialogue

    def _answer(self, step: DialogueStep, code: int, text: bytes) -> bool:
        """Take one reply; False when the connection is over."""
        if step is _FINAL:
            return self._final(code, text)
        if step is _DATA:
            good = self._invited = code == 354
        else:
            good = 250 <= code <= 259
            if step is _RCPT:
                self._has_recipient = good
        if good or step is _DOT:  # the dot alone: a mail without recipients reached nobody, whatever it said
            return True
        if code >= 400 and step in ENVELOPE:
            if self._refusal is None:
                self._refusal = (SmtpPhase(step.value), code, text)
                self._commands.clear()
            return True
        self._end("" if step is DialogueStep.quit else f"{code} in reply to {step}", Reason.malformed_reply)
        return False

    def _final(self, code: int, text: bytes) -> bool:
        pending = self._ending
        if pending is None:
            return False
        if code < 250 or 259 < code < 400:
            self._end(f"{code} in reply to a mail", Reason.malformed_reply)
            return False
        self._ending = None
        if pending.domain is not None:
            pending.domain.slow = monotonic() - pending.dot_at > _SLOW_S
        if code < 400:
            self._owner.accepted(pending, code, text)
        elif self._owner.refused(pending, SmtpPhase.final, code, text):
            self._end("", Reason.relay_busy)
            return False
        return True

    def _advance(self) -> None:
        """Everything that was asked has been answered: the next step."""
        if self._current is None:
            self._next()
        elif self._refusal is not None:
            self._give_up_current()
        elif self._commands:
            step, command = self._commands.popleft()
            self._ask(command, (step,))
        else:
            self._begin_body()

    def _give_up_current(self) -> None:
        """MAIL, RCPT or DATA was refused. After 354 the dot alone ends it, but only if it reaches nobody."""
        if self._invited and self._has_recipient:
            self._end("354 after a refusal", Reason.malformed_reply)
        elif self._settle_refusal():
            self._end("", Reason.relay_busy)
        elif self._invited:
            self._next(b".\r\n", _DOT)
        else:
            self._next(b"RSET\r\n", DialogueStep.rset)

    def _settle_refusal(self) -> bool:
        """Hand back the refused mail; True when this connection should not go on."""
        pending, refusal = self._current, self._refusal
        if pending is None or refusal is None:
            return False
        self._current = self._refusal = None
        return self._owner.refused(pending, *refusal)

    def _take(self) -> bytes | None:
        """The next mail becomes the current one: its envelope."""
        while self._left > 0 and (pending := self._owner.take(self._ending)) is not None:
            if (body := dot_stuffed(pending.mail.content)) is None:
                self._owner.impossible(pending, Reason.invalid_content)
                continue
            found = envelope(pending.mail, self._offered, self._relay.dsn)
            if isinstance(found, bytes):
                self._current, pending.body = pending, body
                self._has_recipient = self._invited = False
                self._left -= 1
                return found
            self._owner.impossible(pending, found)
        return None

    def _next(self, first: bytes = b"", step: DialogueStep | None = None) -> None:
        """Open the next transaction, after `first` (what ends the last one) in the same group."""
        taken = self._take()
        if taken is None:
            if step is not None:
                self._ask(first, (step,))
            elif self._left <= 0:
                self.retire()
            else:
                self._deadline = monotonic() + self._relay.idle_close_s
                self._owner.idle(self)
        elif self._offered.pipelining:
            self._ask(first + taken, ENVELOPE if step is None else (step, *ENVELOPE))
        else:
            self._commands.extend(zip(ENVELOPE, taken.splitlines(keepends=True), strict=True))
            if step is None:
                step, first = self._commands.popleft()
            self._ask(first, (step,))

    def _begin_body(self) -> None:
        pending = self._ending = self._current
        self._current = None
        if pending is not None and len(pending.body) <= CHUNK:
            self._end_body(pending, pending.body)
        elif pending is not None:
            self._rest = memoryview(pending.body)
            self._body_flows()

    def _body_flows(self) -> None:
        """Write a large body; its dot goes with the last piece."""
        if self._write_pieces() and self._ending is not None and self._rest is not None:
            self._end_body(self._ending, self._rest)

    def _end_body(self, pending: PendingMail, last: bytes | memoryview) -> None:
        """The last of the body, its dot, and the next envelope in the same group."""
        self._rest = None
        alone = not self._offered.pipelining or (pending.domain is not None and pending.domain.slow)
        taken = None if alone else self._take()
        pending.dot_at = monotonic()
        if taken is None:
            self._ask(b"".join((last, b".\r\n")), (_FINAL,))
        else:
            self._ask(b"".join((last, b".\r\n", taken)), _GROUP)
        if self._transport.is_closing():  # the write failed at once, or was not made: no dot has left
            self._rest = memoryview(b"")

    # how it ends

    def _unsolicited(self, code: int, text: bytes) -> None:
        """A reply to nothing: 421 is a goodbye, a refusal in the midst of a body ends the mail, else a doubt."""
        if self._rest is not None and self._ending is not None and code >= 400:
            pending, self._ending, self._rest = self._ending, None, None
            self._owner.refused(pending, SmtpPhase.final, code, text)
            self._end("", Reason.relay_busy)
        elif code == 421:
            self._dismissed(DialogueStep.data, text)
        else:
            self._end(f"{code} in reply to nothing", Reason.malformed_reply)

    def _dismissed(self, step: DialogueStep, text: bytes) -> None:
        """421: the relay closes. The mail it answers is refused; one whose envelope waited was simply not sent."""
        if step is _FINAL and self._ending is not None:
            pending, self._ending = self._ending, None
            self._owner.refused(pending, SmtpPhase.final, 421, text)
        elif step in ENVELOPE and self._refusal is None:
            self._refusal = (SmtpPhase(step.value), 421, text)
        self._end("", Reason.relay_busy)

    def _end(self, broken: str, reason: ResultReason) -> None:
        """Close for good; what was on its way goes back to the pool, by how far it came."""
        if self._over:
            return
        self._over = True
        phase = next((SmtpPhase(step.value) for step in self._expected if step in ENVELOPE), SmtpPhase.data)
        if broken:
            self._transport.abort()
        else:
            self._transport.close()
        self._settle_refusal()
        ending, current = self._ending, self._current
        self._ending = self._current = None
        if ending is not None and self._rest is not None:
            self._owner.unfinished(ending, reason, SmtpPhase.data)
        elif ending is not None:
            garbled = reason is Reason.malformed_reply
            self._owner.ambiguous(ending, reason if garbled else Reason.lost_after_data)
        if current is not None:
            self._owner.unfinished(current, reason, phase)
        self._owner.gone(self, broken)
