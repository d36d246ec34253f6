"""A message that came back, as it was read: its kind, the recipients it reports on, its words, and its proofs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class ReportKind(StrEnum):
    """The kinds of messages that come back.

    `bounce`: reports on recipients. `complaint`: a recipient calls the message spam. `words`: only a text, which may
    say that the message was not delivered. `quote`: quotes one of our messages and says nothing of it. `automatic`: an
    absence note, a read receipt or another report that is no bounce.
    """

    bounce = "bounce"
    complaint = "complaint"
    words = "words"
    quote = "quote"
    automatic = "automatic"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """The report on one recipient (RFC 3464 section 2.3). `status` is as in RFC 3463, empty where there is none."""

    action: str = ""
    status: str = ""
    diagnostic: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A message that came back.

    `detail`: the feedback type of a complaint, or the kind of an automatic message. `text`: the words for humans.
    `addressed`: the recipients in its header.
    `senders` and `tokens`: texts anywhere in it that may hold our envelope sender, or be tokens of unsubscribe links.
    """

    kind: ReportKind
    recipients: tuple[RecipientReport, ...] = ()
    detail: str = ""
    text: str = ""
    addressed: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all recipients in the report."""
        return tuple(address for recipient in self.recipients for address in recipient.addresses)

    def recipient(self, fits: Callable[[str], bool]) -> RecipientReport:
        """Return the report on the recipient whose address fits, else the worst one.

        A message of ours has one recipient; a mailbox that forwards is reported under the address it forwards to.
        """
        ours = [one for one in self.recipients if any(map(fits, one.addresses))]
        return min(ours or self.recipients, key=_rank, default=RecipientReport())


ACTIONS = ("failed", "delayed", "relayed", "expanded", "delivered")
"""The actions of RFC 3464 section 2.3.3, the worst one first."""


def _rank(recipient: RecipientReport) -> tuple[int, int]:
    action = recipient.action
    return (ACTIONS.index(action) if action in ACTIONS else len(ACTIONS), not recipient.status)
