"""The message handed to a relay, and the result of the attempt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from service.model.catalogue import Lane
from service.model.reasons import ResultReason


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A message for one recipient.

    `sender` is the envelope's MAIL FROM and may be empty; `recipient` is exactly one addr-spec. `content` is
    a whole RFC 5322 message with CRLF lines, ending in CRLF, not dot-stuffed. `lane` says how urgent it is.
    """

    delivery_id: str
    sender: str
    recipient: str
    content: bytes
    lane: Lane = Lane.normal


class Reply(NamedTuple):
    """An SMTP reply: the code, the enhanced code (RFC 3463, or empty), the text without control characters."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class SendStatus(StrEnum):
    """The result of handing a message to a relay."""

    accepted = "accepted"  # the relay has taken responsibility for it
    deferred = "deferred"  # not taken this time; the attempt counts
    bounced = "bounced"  # will never be taken
    ambiguous = "ambiguous"  # end of data may have been seen, no final reply was read
    unsent = "unsent"  # nothing was attempted for this message; burns no attempt


class SendResult(NamedTuple):
    """The result of one SMTP attempt for one message.

    `phase` is the step of the SMTP dialogue that decided it: "" where none did. `suppress`: the mailbox is at
    fault and should not be mailed again. `retry_after_s`: the least wait in seconds that the reply, or a relay's
    cooldown, asks for. `scores`: the mailbox cannot take mail for a while, a soft bounce.
    """

    status: SendStatus
    reason: ResultReason
    reply: Reply | None = None
    relay: str = ""
    phase: str = ""
    suppress: bool = False
    retry_after_s: float | None = None
    scores: bool = False
