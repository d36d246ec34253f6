"""A relay that follows a script: each mail gets the next answer, now or later; it remembers what it accepted."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from service.model.mail import OutgoingMail, Reply, SendResult, SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from tests.simulation.worker import Process


class Answer(NamedTuple):
    """`taken`: the mail has left, whatever the answer says. `delay_ms`: until the answer comes."""

    name: str = "250"
    delay_ms: int = 0

    @property
    def taken(self) -> bool:
        return self.name in {"250", "dropped-taken"}

    def result(self) -> SendResult:
        """As the adapter would tell it."""
        return _RESULTS[self.name]


def _result(status: SendStatus, reason: ResultReason, code: int = 0, suppress: bool = False) -> SendResult:
    return SendResult(status, reason, Reply(code, "", "") if code else None, "r", "", suppress)


_RESULTS = {
    "250": _result(SendStatus.accepted, SendReason.accepted, 250),
    "451": _result(SendStatus.deferred, Reason.temporary, 451),
    "452": _result(SendStatus.deferred, Reason.mailbox_full, 452),
    "554": _result(SendStatus.bounced, Reason.spam_refused, 554),
    "550": _result(SendStatus.bounced, Reason.mailbox_unknown, 550, suppress=True),
    "dropped": _result(SendStatus.ambiguous, Reason.lost_after_data),
    "dropped-taken": _result(SendStatus.ambiguous, Reason.lost_after_data),
    "away": _result(SendStatus.unsent, Reason.relay_unavailable),
}
ANSWERS = tuple(_RESULTS)


class ScriptedRelay:
    """`seen` is told of every mail with the process it came from; `accepted` counts copies by delivery."""

    def __init__(self, seen: Callable[[OutgoingMail, Process], None]) -> None:
        self.script: deque[Answer] = deque()
        self.accepted: Counter[str] = Counter()
        self.unclear: Counter[str] = Counter()
        self._seen = seen

    def submit(self, mail: OutgoingMail, process: Process) -> "asyncio.Future[SendResult]":
        """One mail."""
        self._seen(mail, process)
        answer = self.script.popleft() if self.script else Answer()
        self.accepted[mail.delivery_id] += answer.taken
        self.unclear[mail.delivery_id] += answer.name.startswith("dropped")
        future: asyncio.Future[SendResult] = process.loop.create_future()
        process.loop.call_later(answer.delay_ms / 1000, _tell, future, answer.result())
        return future


class Transport:
    """The MailTransport of one process."""

    def __init__(self, relay: ScriptedRelay, process: Process) -> None:
        self._relay = relay
        self._process = process

    def submit(self, mail: OutgoingMail) -> "asyncio.Future[SendResult]":
        self._process.due()
        return self._relay.submit(mail, self._process)


def _tell(future: "asyncio.Future[SendResult]", result: SendResult) -> None:
    if not future.done():
        future.set_result(result)
