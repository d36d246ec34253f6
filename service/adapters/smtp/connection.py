"""One connection: a state machine that pipelines (RFC 2920), one round trip per message, and checks every reply.

    [MAIL | RCPT | DATA]  →  250 250 354
    [body, end of data | MAIL | RCPT | DATA]  →  250, 250 250 354
    [body, end of data]  →  250

Without PIPELINING the same steps go one by one. A connection in doubt is aborted, never used again.
"""

import asyncio
from collections import deque
from time import monotonic

from service.adapters.smtp.connection_owner import ConnectionOwner
from service.adapters.smtp.content import dot_stuffed
from service.adapters.smtp.envelope import Extensions, envelope
from service.adapters.smtp.queue import PendingMail
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.replies import ReplyParser, group_accepted
from service.adapters.smtp.steps import ENVELOPE, DialogueStep, reply_timeouts_s
from service.model.classifier import SmtpPhase
from service.model.reasons import Reason, ResultReason

TIMED_OUT = "no answer in time"
CHUNK_BYTES = 65_536  # of a body, written at once
_SLOW_S = (
    1.0  # a domain that takes longer after the end of data gets no envelope pipelined behind its messages
)
# looked up once: every message needs them
_RCPT, _DATA, _FINAL = DialogueStep.rcpt, DialogueStep.data, DialogueStep.final
_END_OF_DATA, _QUIT = DialogueStep.end_of_data, DialogueStep.quit
_GROUP = (_FINAL, *ENVELOPE)


class Connection(asyncio.Protocol):
    """A driver of one transport that is ready for MAIL. All calls come from the event loop; nothing here awaits.

    At most two messages are on it: `_in_data`, whose body is being written or whose final reply is expected, and
    `_in_envelope`, whose MAIL, RCPT and DATA are out. Only the first can become ambiguous. Deadlines are only stored
    here; the pool checks them for all connections with one timer.
    """

    def __init__(
        self, owner: ConnectionOwner, relay: Relay, transport: asyncio.Transport, offered: Extensions
    ) -> None:
        self._owner = owner
        self._relay = relay
        self._transport = transport
        self._offered = offered
        self._parser = ReplyParser()
        self._timeouts_s = reply_timeouts_s(relay.timeouts)
        self._deadline = float("inf")
        self._expected: deque[DialogueStep] = deque()  # written, reply to come
        self._commands: deque[tuple[DialogueStep, bytes]] = deque()  # still to be written, without PIPELINING
        self._in_data: PendingMail | None = None
        self._in_envelope: PendingMail | None = None
        # Rest of a large body; while it is not None, the end of data is not written either.
        self._unwritten: memoryview | None = None
        self._refusal: tuple[SmtpPhase, int, bytes] | None = None  # of the message in its envelope
        self._rcpt_accepted = False
        self._data_accepted = False  # 354
        self._write_paused = False
        self._finishing = (
            False  # close once every reply has come: an envelope is out whose message was given back
        )
        self._closed = False
        self._messages_left = relay.max_mails_per_connection
        self._expires_at = monotonic() + relay.max_connection_age_s
        transport.set_protocol(self)
        if transport.get_extra_info("sslcontext") is None:
            # uvloop too writes at once then, so that the relay works while we do
            transport.set_write_buffer_limits(0)

    # called by the pool

    def wake(self) -> None:
        """Send the next message, if there is one."""
        if not self._closed:
            self._start_transaction()

    def quit(self) -> None:
        """Send QUIT (RFC 5321 section 4.1.1.10). Call only on an idle connection."""
        if not self._closed:
            self._send(b"QUIT\r\n", (_QUIT,))

    @property
    def busy(self) -> bool:
        """Return True while a message is on it."""
        return self._in_data is not None or self._in_envelope is not None

    @property
    def awaits_reply(self) -> bool:
        """Return whether a message may have been read to its end of data, and has no final reply."""
        return self._in_data is not None and self._unwritten is None

    def finish(self) -> None:
        """Give back a message whose envelope is out; close once the relay has replied to the one before it."""
        pending, self._in_envelope = self._in_envelope, None
        if pending is not None:
            self._finishing = True
            self._owner.message_interrupted(pending, Reason.relay_busy, SmtpPhase.data)

    def abort(self, error: str) -> None:
        """Close at once; every message on it goes back to the pool."""
        self._close(error, Reason.relay_unavailable)

    def check_deadline(self, now: float) -> bool:
        """Close if a reply is overdue; quit if idle, old or used up. Return True when an idle connection quits."""
        waiting = bool(self._expected) or self._unwritten is not None
        if now >= self._expires_at:
            self._messages_left = 0
        if self._closed or now < (self._deadline if waiting or self._messages_left else 0.0):
            return False
        if waiting:
            self._close("" if _QUIT in self._expected else TIMED_OUT, Reason.relay_unavailable)
        else:
            self.quit()
        return not waiting

    # called by the transport

    def data_received(self, data: bytes) -> None:
        """Check every reply against the expected steps (RFC 2920 section 3.1); continue once all have come."""
        if self._closed:
            return
        expected = self._expected
        whole_group = len(expected) == 4 and expected[0] is _FINAL and not self._parser.partial
        if whole_group and (final := group_accepted(data)) is not None:
            expected.clear()
            self._rcpt_accepted = self._data_accepted = True
            # The final reply first: the next body takes the place of the message it settles.
            self._on_final_reply(250, final)
            self._start_body()
            return
        replies = self._parser.feed(data)
        for code, text in replies:
            if not expected:
                self._on_unsolicited_reply(code, text)
                return
            step = expected.popleft()
            if code == 421:
                self._on_421(step, text)
                return
            if not self._on_reply(step, code, text):
                return
        if self._parser.fault:
            self._close(self._parser.fault, Reason.malformed_reply)
        elif expected:
            if replies:  # a part of one does not extend its time: a relay may send octet by octet for ever
                self._deadline = monotonic() + self._timeouts_s[expected[0]]
        elif self._parser.partial:
            # Part of a reply that no step expects. During a body it may become an early refusal; otherwise the next
            # command would be paired with it.
            if self._unwritten is None:
                self._close("unexpected bytes after a reply", Reason.malformed_reply)
        elif self._unwritten is None:
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give every message on it back to the pool."""
        waiting = bool(self._expected or self._unwritten is not None) and _QUIT not in self._expected
        self._close("connection lost" if waiting else "", Reason.relay_unavailable)

    def pause_writing(self) -> None:
        """Stop writing a large body: the relay reads slower than we write."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Continue a large body."""
        self._write_paused = False
        if self._unwritten is not None:
            self._continue_body()

    # replies

    def _on_reply(self, step: DialogueStep, code: int, text: bytes) -> bool:
        """Process one reply; return False when the connection is closed."""
        if step is _FINAL:
            return self._on_final_reply(code, text)
        if step is _DATA:
            good = self._data_accepted = code == 354
        else:
            good = 250 <= code <= 259
            if step is _RCPT:
                self._rcpt_accepted = good
        if good or step is _END_OF_DATA:  # without a recipient nothing was delivered, whatever the reply
            return True
        if code >= 400 and step in ENVELOPE:
            # The first refusal is the cause; 503 to the commands behind it in the group is a consequence.
            if self._refusal is None:
                self._refusal = (SmtpPhase(step.value), code, text)
                self._commands.clear()
            return True
        self._close("" if step is _QUIT else f"{code} in reply to {step}", Reason.malformed_reply)
        return False

    def _on_final_reply(self, code: int, text: bytes) -> bool:
        """Settle the message after its end of data; return False when the connection is closed."""
        pending = self._in_data
        if pending is None:
            return False
        if code < 250 or 259 < code < 400:
            self._close(f"{code} in reply to a message", Reason.malformed_reply)
            return False
        self._in_data = None
        if pending.domain is not None:
            pending.domain.slow = monotonic() - pending.end_of_data_s > _SLOW_S
        if code < 400:
            self._owner.message_accepted(pending, code, text)
        elif self._owner.message_refused(pending, SmtpPhase.final, code, text):
            self._close("", Reason.relay_busy)
            return False
        return True

    def _on_unsolicited_reply(self, code: int, text: bytes) -> None:
        """Process a reply that no step expects: 421, or a refusal during a body; any other puts the rest in doubt."""
        if self._unwritten is not None and self._in_data is not None and code >= 400:
            pending, self._in_data, self._unwritten = self._in_data, None, None
            self._owner.message_refused(pending, SmtpPhase.final, code, text)
            self._close("", Reason.relay_busy)
        elif code == 421:
            self._on_421(_DATA, text)
        else:
            self._close(f"unexpected reply {code}", Reason.malformed_reply)

    def _on_421(self, step: DialogueStep, text: bytes) -> None:
        """Close, as the relay does (RFC 5321 section 3.8). 421 refuses the message whose step it answers, no other."""
        if step is _FINAL and self._in_data is not None:
            pending, self._in_data = self._in_data, None
            self._owner.message_refused(pending, SmtpPhase.final, 421, text)
        elif step in ENVELOPE and self._refusal is None:
            self._refusal = (SmtpPhase(step.value), 421, text)
        self._close("", Reason.relay_busy)

    # the transaction (RFC 5321 section 3.3)

    def _advance(self) -> None:
        """Take the next step: every expected reply has come."""
        if self._finishing:
            self._close("", Reason.relay_busy)
        elif self._in_envelope is None:
            self._start_transaction()
        elif self._refusal is not None:
            self._end_refused_transaction()
        elif self._commands:
            step, command = self._commands.popleft()
            self._send(command, (step,))
        else:
            self._start_body()

    def _end_refused_transaction(self) -> None:
        """End a transaction after a refusal of MAIL, RCPT or DATA.

        After 354 only the end of data, without a body, ends it (RFC 2920 section 3.1), and only if no recipient was
        accepted: the relay would deliver an empty message to that recipient.
        """
        if self._data_accepted and self._rcpt_accepted:
            self._close("354 after a refusal", Reason.malformed_reply)
        elif self._report_refusal():
            self._close("", Reason.relay_busy)
        elif self._data_accepted:
            self._start_transaction(b".\r\n", _END_OF_DATA)
        else:
            self._start_transaction(b"RSET\r\n", DialogueStep.rset)

    def _report_refusal(self) -> bool:
        """Give the refused message back to the pool; return True if the connection must be closed."""
        pending, refusal = self._in_envelope, self._refusal
        if pending is None or refusal is None:
            return False
        self._in_envelope = self._refusal = None
        return self._owner.message_refused(pending, *refusal)

    def _next_envelope(self) -> bytes | None:
        """Take the next message from the pool and return its MAIL, RCPT and DATA; None when there is no message."""
        while self._messages_left > 0 and (pending := self._owner.next_message(self._in_data)) is not None:
            if (body := dot_stuffed(pending.mail.content)) is None:
                self._owner.message_unsendable(pending, Reason.invalid_content)
                continue
            commands = envelope(pending.mail, self._offered, self._relay.dsn)
            if isinstance(commands, bytes):
                self._in_envelope, pending.body = pending, body
                self._rcpt_accepted = self._data_accepted = False
                self._messages_left -= 1
                return commands
            self._owner.message_unsendable(pending, commands)
        return None

    def _start_transaction(self, first: bytes = b"", step: DialogueStep | None = None) -> None:
        """Send the next envelope, after `first` (RSET or the end of data) in the same group."""
        commands = self._next_envelope()
        if commands is None:
            if step is not None:
                self._send(first, (step,))
            elif self._messages_left <= 0:
                self.quit()
            else:
                self._deadline = monotonic() + self._relay.idle_close_s
                self._owner.connection_idle(self)
        elif self._offered.pipelining:
            self._send(first + commands, ENVELOPE if step is None else (step, *ENVELOPE))
        else:
            self._commands.extend(zip(ENVELOPE, commands.splitlines(keepends=True), strict=True))
            if step is None:
                step, first = self._commands.popleft()
            self._send(first, (step,))

    def _start_body(self) -> None:
        if self._finishing:
            self._close("", Reason.relay_busy)
            return
        pending = self._in_data = self._in_envelope
        self._in_envelope = None
        if pending is not None and len(pending.body) <= CHUNK_BYTES:
            self._end_body(pending, pending.body)
        elif pending is not None:
            self._unwritten = memoryview(pending.body)
            self._continue_body()

    def _continue_body(self) -> None:
        """Write a large body as fast as the relay reads; the end of data goes with the last chunk."""
        while (body := self._unwritten) is not None and not self._write_paused:
            if self._transport.is_closing():
                return
            if len(body) <= CHUNK_BYTES:
                if self._in_data is not None:
                    self._end_body(self._in_data, body)
                return
            self._unwritten = body[CHUNK_BYTES:]
            self._deadline = monotonic() + self._relay.timeouts.block_s
            self._transport.write(body[:CHUNK_BYTES])

    def _end_body(self, pending: PendingMail, last: bytes | memoryview) -> None:
        """Write the last of the body, its end of data, and the next envelope in the same group.

        That makes it one round trip per message: the final reply and the replies to the next envelope come together
        (RFC 2920 section 3.1). A slow domain goes without, or the next message would wait for it.
        """
        if not self._owner.may_be_sent(pending):
            self._unwritten = memoryview(b"")  # the end of data has not left, and will not
            self._close("", Reason.relay_busy)
            return
        self._unwritten = None
        alone = not self._offered.pipelining or (pending.domain is not None and pending.domain.slow)
        commands = None if alone else self._next_envelope()
        pending.end_of_data_s = monotonic()
        if commands is None:
            self._send(b"".join((last, b".\r\n")), (_FINAL,))
        else:
            self._send(b"".join((last, b".\r\n", commands)), _GROUP)
        # Checked after the write: if it failed at once, or was not made, no end of data has left, and a retry is safe.
        if self._transport.is_closing():
            self._unwritten = memoryview(b"")

    def _send(self, data: bytes, steps: tuple[DialogueStep, ...]) -> None:
        """Write a group of commands, or the end of a body, and expect the replies to its steps."""
        self._expected.extend(steps)
        self._deadline = monotonic() + self._timeouts_s[self._expected[0]]
        if not self._transport.is_closing():
            self._transport.write(data)

    def _close(self, error: str, reason: ResultReason) -> None:
        """Close for good, and give each message on it back to the pool by how far it came; call it any number of times.

        Before the end of data a retry is safe. After it, with no final reply, the relay may have accepted the message:
        ambiguous (RFC 5321 section 4.5.3.2.6, RFC 1047). The message behind it, in its envelope, is safe again.
        """
        if self._closed:
            return
        self._closed = True  # before the callbacks, which may call back
        phase = next((SmtpPhase(step.value) for step in self._expected if step in ENVELOPE), SmtpPhase.data)
        if error == TIMED_OUT:
            error = f"{TIMED_OUT}: {self._expected[0].value if self._expected else 'body'}"
        if error:
            self._transport.abort()
        else:
            self._transport.close()
        self._report_refusal()  # first: a refused message is refused, although its transaction did not end
        in_data, in_envelope = self._in_data, self._in_envelope
        self._in_data = self._in_envelope = None
        if in_data is not None and self._unwritten is not None:
            self._owner.message_interrupted(in_data, reason, SmtpPhase.data)
        elif in_data is not None:
            malformed = reason is Reason.malformed_reply
            self._owner.message_ambiguous(in_data, reason if malformed else Reason.lost_after_data)
        if in_envelope is not None:
            self._owner.message_interrupted(in_envelope, reason, phase)
        # Last: it may open the breaker, which moves the whole queue, these messages included, to the next relay.
        self._owner.connection_closed(self, error)
