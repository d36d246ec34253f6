"""The steps of the dialogue that a connection drives, and what it needs of the pool that owns it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from service.adapters.smtp.classify import Phase
from service.adapters.smtp.queue import Pending
from service.adapters.smtp.relay import Timeouts
from service.model.mail import SendReason

if TYPE_CHECKING:
    from service.adapters.smtp.connection import Connection


class Step(StrEnum):
    """What a reply that is still to come will answer."""

    mail = Phase.mail.value
    rcpt = Phase.rcpt.value
    data = Phase.data.value
    final = Phase.final.value
    dot = "dot"  # the dot alone, after 354 for a mail without recipients
    rset = "rset"
    quit = "quit"


ENVELOPE = (Step.mail, Step.rcpt, Step.data)


def limits(times: Timeouts) -> dict[Step, float]:
    """Seconds to wait for the reply to each step."""
    return {
        Step.mail: times.mail,
        Step.rcpt: times.rcpt,
        Step.data: times.data,
        Step.final: times.final,
        Step.dot: times.final,
        Step.rset: times.mail,
        Step.quit: times.quit,
    }


class Owner(Protocol):
    """The pool, as a connection sees it. Each mail taken goes back by exactly one of the last five calls."""

    def take(self, behind: Pending | None) -> Pending | None:
        """The next mail to send on this connection, after the one whose final reply is awaited."""
        ...

    def idle(self, connection: "Connection") -> None:
        """Nothing to send: the connection waits to be woken or closed."""
        ...

    def gone(self, connection: "Connection", broken: str) -> None:
        """The connection is over; `broken` says why, empty when that is no failure."""
        ...

    def accepted(self, pending: Pending, code: int, text: bytes) -> None:
        """The relay has taken the mail."""
        ...

    def refused(self, pending: Pending, phase: Phase, code: int, text: bytes) -> bool:
        """The relay answered 4xx or 5xx. True: this connection should not go on."""
        ...

    def impossible(self, pending: Pending, reason: SendReason) -> None:
        """This relay could never take it; nothing was sent."""
        ...

    def unfinished(self, pending: Pending, reason: SendReason, phase: Phase) -> None:
        """The dialogue broke off before the final dot: safe to try again."""
        ...

    def ambiguous(self, pending: Pending, reason: SendReason) -> None:
        """The final dot may have been seen and no final reply was read."""
        ...
