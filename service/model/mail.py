"""What goes to a relay and what comes back of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from service.model.reasons import ResultReason


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One mail for one recipient.

    `sender` is the envelope's MAIL FROM and may be empty; `recipient` is exactly one addr-spec. `content` is
    a whole RFC 5322 message with CRLF lines, ending in CRLF, not dot-stuffed.
    """

    delivery_id: str
    sender: str
    recipient: str
    content: bytes


class Reply(NamedTuple):
    """What a server said: the code, the enhanced code (RFC 3463, or empty), the text without controls."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class SendStatus(StrEnum):
    """What handing a mail to a relay came to."""

    accepted = "accepted"  # the relay answers for it now
    deferred = "deferred"  # not taken this time; the attempt counts
    bounced = "bounced"  # will never be taken
    ambiguous = "ambiguous"  # the final dot may have been seen, no final reply was read
    unsent = "unsent"  # nothing was attempted for this mail; burns no attempt


class SendResult(NamedTuple):
    """What became of one mail.

    `phase` is the step of the SMTP dialogue that decided it: "" where none did. `suppress`: the mailbox is at
    fault and should not be mailed again. `retry_after_s`: seconds that the reply, or our own rest, asks for.
    """

    status: SendStatus
    reason: ResultReason
    reply: Reply | None = None
    relay: str = ""
    phase: str = ""
    suppress: bool = False
    retry_after_s: float | None = None
