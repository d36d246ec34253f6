"""The steps of the dialogue that a connection drives, and what it needs of the pool that owns it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from service.adapters.smtp.classify import SmtpPhase
from service.adapters.smtp.queue import PendingMail
from service.adapters.smtp.relay import Timeouts
from service.model.reasons import ResultReason

if TYPE_CHECKING:
    from service.adapters.smtp.connection import Connection


class DialogueStep(StrEnum):
    """What a reply that is still to come will answer."""

    mail = SmtpPhase.mail.value
    rcpt = SmtpPhase.rcpt.value
    data = SmtpPhase.data.value
    final = SmtpPhase.final.value
    dot = "dot"  # the dot alone, after 354 for a mail without recipients
    rset = "rset"
    quit = "quit"


ENVELOPE = (DialogueStep.mail, DialogueStep.rcpt, DialogueStep.data)


def limits(times: Timeouts) -> dict[DialogueStep, float]:
    """Seconds to wait for the reply to each step."""
    return {
        DialogueStep.mail: times.mail,
        DialogueStep.rcpt: times.rcpt,
        DialogueStep.data: times.data,
        DialogueStep.final: times.final,
        DialogueStep.dot: times.final,
        DialogueStep.rset: times.mail,
        DialogueStep.quit: times.quit,
    }


class ConnectionOwner(Protocol):
    """The pool, as a connection sees it. Each mail taken goes back by exactly one of the last five calls."""

    def take(self, behind: PendingMail | None) -> PendingMail | None:
        """The next mail to send on this connection, after the one whose final reply is awaited."""
        ...

    def idle(self, connection: "Connection") -> None:
        """Nothing to send: the connection waits to be woken or closed."""
        ...

    def gone(self, connection: "Connection", broken: str) -> None:
        """The connection is over; `broken` says why, empty when that is no failure."""
        ...

    def accepted(self, pending: PendingMail, code: int, text: bytes) -> None:
        """The relay has taken the mail."""
        ...

    def refused(self, pending: PendingMail, phase: SmtpPhase, code: int, text: bytes) -> bool:
        """The relay answered 4xx or 5xx. True: this connection should not go on."""
        ...

    def impossible(self, pending: PendingMail, reason: ResultReason) -> None:
        """This relay could never take it; nothing was sent."""
        ...

    def unfinished(self, pending: PendingMail, reason: ResultReason, phase: SmtpPhase) -> None:
        """The dialogue broke off before the final dot: safe to try again."""
        ...

    def ambiguous(self, pending: PendingMail, reason: ResultReason) -> None:
        """The final dot may have been seen and no final reply was read."""
        ...
