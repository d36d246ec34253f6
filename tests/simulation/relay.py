"""A relay that follows a script: each message gets the next reply, at once or later; accepted ones are counted."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from service.model.mail import OutgoingMail, Reply, SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.ports import MailClaims, Unavailable
from tests.simulation.process import Process


class ScriptedReply(NamedTuple):
    """`delay_ms` is the time until the reply comes."""

    name: str = "250"
    delay_ms: int = 0

    @property
    def accepted(self) -> bool:
        """Return whether the relay has the message, even where the reply does not say so."""
        return self.name in {"250", "dropped-accepted"}

    def result(self) -> SendResult:
        """Return the result that the SMTP adapter would give."""
        return _RESULTS[self.name]


def _result(status: SendStatus, reason: ResultReason, code: int = 0, suppress: bool = False) -> SendResult:
    reply = Reply(code, "", "") if code else None
    return SendResult(status, reason, reply, "r", "", suppress, scores=reason is Reason.mailbox_full)


_RESULTS = {
    "250": _result(SendStatus.accepted, SendReason.accepted, 250),
    "451": _result(SendStatus.deferred, Reason.temporary, 451),
    "452": _result(SendStatus.deferred, Reason.mailbox_full, 452),
    "554": _result(SendStatus.bounced, Reason.spam_refused, 554),
    "550": _result(SendStatus.bounced, Reason.mailbox_unknown, 550, suppress=True),
    "dropped": _result(SendStatus.ambiguous, Reason.lost_after_data),
    "dropped-accepted": _result(SendStatus.ambiguous, Reason.lost_after_data),
    "unavailable": _result(SendStatus.unsent, Reason.relay_unavailable),
}
REPLIES = tuple(_RESULTS)


class ScriptedRelay:
    """Calls `on_submit` for every message, with its process. `accepted` and `ambiguous` count by delivery.

    `submitted` are the pairs of delivery and process: a message of which the process may not know the result.
    """

    def __init__(self, on_submit: Callable[[OutgoingMail, Process], None]) -> None:
        self.script: deque[ScriptedReply] = deque()
        self.submitted: set[tuple[str, str]] = set()
        self.accepted: Counter[str] = Counter()
        self.ambiguous: Counter[str] = Counter()
        self._on_submit = on_submit

    def check_script(self) -> None:
        """Raise KeyError when the next reply is one that the adapter cannot give."""
        if self.script:
            self.script[0].result()

    def submit(self, mail: OutgoingMail, process: Process) -> "asyncio.Future[SendResult]":
        """Take one message; the future has its result when the reply has come."""
        self._on_submit(mail, process)
        self.submitted.add((mail.delivery_id, process.owner))
        reply = self.script.popleft() if self.script else ScriptedReply()
        self.accepted[mail.delivery_id] += reply.accepted
        self.ambiguous[mail.delivery_id] += reply.name.startswith("dropped")
        future: asyncio.Future[SendResult] = process.loop.create_future()
        process.loop.call_later(reply.delay_ms / 1000, _set_result, future, reply.result())
        return future


class RelayTransport:
    """The MailTransport of one process: claims each message, and sends it while its lease holds."""

    closing = False

    def __init__(self, relay: ScriptedRelay, process: Process) -> None:
        self._relay = relay
        self._process = process

    def submit(self, mail: OutgoingMail, claims: MailClaims) -> "asyncio.Future[SendResult]":
        self._process.next_fault()
        self._relay.check_script()
        future: asyncio.Future[SendResult] = self._process.loop.create_future()
        self._process.spawn(self._send(mail, claims, future))
        return future

    async def _send(
        self, mail: OutgoingMail, claims: MailClaims, future: "asyncio.Future[SendResult]"
    ) -> None:
        if future.done():  # cancelled before it was claimed
            return
        (lease,) = await claims.claim([mail])
        with suppress(Unavailable):
            await self._process.effect(_nothing)  # the way to the relay, on which the process may be paused
        if lease is None:
            _set_result(future, SendResult(SendStatus.unsent, SendReason.unclaimed))
        elif not lease.holds():
            _set_result(future, SendResult(SendStatus.unsent, Reason.lease_over))
        else:
            _set_result(future, await self._relay.submit(mail, self._process))


async def _nothing() -> None:
    """Have no effect."""


def _set_result(future: "asyncio.Future[SendResult]", result: SendResult) -> None:
    if not future.done():
        future.set_result(result)
