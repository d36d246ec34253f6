"""The pool, as its connections see it."""

from typing import Any, Protocol

from service.adapters.smtp.queue import PendingMail
from service.model.classifier import SmtpPhase
from service.model.reasons import ResultReason


class ConnectionOwner(Protocol):
    """The pool, as a connection uses it. Each message taken goes back by exactly one of the `message_` calls."""

    def next_message(self, leader: PendingMail | None) -> PendingMail | None:
        """Return the next message for this connection, behind `leader`, whose final reply is expected."""
        ...

    def may_be_sent(self, pending: PendingMail) -> bool:
        """Return whether the end of data of this message may still be written."""
        ...

    def connection_idle(self, connection: Any) -> None:
        """Keep the connection, which has nothing to send, until it is woken or closed."""
        ...

    def connection_closed(self, connection: Any, error: str) -> None:
        """Forget the connection; `error` is empty when its end is no failure."""
        ...

    def message_accepted(self, pending: PendingMail, code: int, text: bytes) -> None:
        """Record a 2xx reply to the end of data."""
        ...

    def message_refused(self, pending: PendingMail, phase: SmtpPhase, code: int, text: bytes) -> bool:
        """Record a 4xx or 5xx reply. Return True if the connection must be closed."""
        ...

    def message_unsendable(self, pending: PendingMail, reason: ResultReason) -> None:
        """Record that this relay can never take the message; nothing was sent."""
        ...

    def message_interrupted(self, pending: PendingMail, reason: ResultReason, phase: SmtpPhase) -> None:
        """Record that the dialogue broke off before the end of data: a retry is safe."""
        ...

    def message_ambiguous(self, pending: PendingMail, reason: ResultReason) -> None:
        """Record that the end of data may have been received, and that no final reply was read."""
        ...
