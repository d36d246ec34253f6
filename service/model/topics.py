"""The names of Tocsin's topics, each with the same prefix."""

from dataclasses import dataclass

from service.model.catalogue import Lane
from service.model.channels import CHANNELS, Channel

TABLES = (
    "accounts",
    "api-keys",
    "recipients",
    "groups",
    "contacts",
    "suppressions",
    "unsubscribes",
    "preferences",
)
"""The compacted topics, each a table. Only upstream systems write `preferences`; its records are folded into the rows
of recipients and contacts."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Full topic names. The events topics belong to the upstreams and are named in the settings."""

    prefix: str = ""

    def dispatch(self, channel: Channel, lane: Lane) -> str:
        """Return the topic of a channel, and of a lane where the channel has lanes. Raise KeyError for no channel."""
        suffix = f".{lane}" if CHANNELS[channel].lanes else ""
        return f"{self.prefix}dispatch.{channel}{suffix}"

    def dispatches(self) -> frozenset[str]:
        """Return every dispatch topic of every channel."""
        return frozenset(self.dispatch(channel, lane) for channel in Channel for lane in Lane)

    def email(self, lane: Lane) -> str:
        """Return the topic of email deliveries of a lane."""
        return f"{self.prefix}dispatch.email.{lane}"

    @property
    def inbox(self) -> str:
        """Return the topic of inbox deliveries."""
        return f"{self.prefix}dispatch.inbox"

    @property
    def outcomes(self) -> str:
        """Return the topic of every state change."""
        return f"{self.prefix}dispatch.outcomes"

    @property
    def dead_letter(self) -> str:
        """Return the topic of records that no retry can help."""
        return f"{self.prefix}dispatch.dead-letter"

    @property
    def withdrawals(self) -> str:
        """Return the topic of withdrawals."""
        return f"{self.prefix}dispatch.withdrawals"

    @property
    def soft_bounces(self) -> str:
        """Return the topic of soft-bounce scores."""
        return f"{self.prefix}dispatch.soft-bounces"

    @property
    def audit(self) -> str:
        """Return the topic of the operation log."""
        return f"{self.prefix}dispatch.audit"

    def table(self, name: str) -> str:
        """Return the compacted topic of a table, one of TABLES."""
        return f"{self.prefix}tables.{name}"
