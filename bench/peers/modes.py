"""The modes of the peer: the topics of each, and what it does less than Tocsin, for the report."""

from collections.abc import Mapping
from typing import NamedTuple


class Mode(NamedTuple):
    """One way to write the service. `topics`: the first is that of the events."""

    topics: tuple[str, ...]
    less: str

    @property
    def events(self) -> str:
        """Return the topic that the events are published to."""
        return self.topics[0]


class LedgerTopics(NamedTuple):
    """The topics of the mode `ledger`."""

    events: str = "peer.ledger.events"
    inbox: str = "peer.ledger.dispatch.inbox"
    email: str = "peer.ledger.dispatch.email"
    outcomes: str = "peer.ledger.outcomes"
    dead_letter: str = "peer.ledger.dead-letter"


LEDGER = LedgerTopics()

MODES: Mapping[str, Mode] = {
    "batch": Mode(
        ("peer.events.batch", "peer.emails.batch"),
        "It marks an event as seen before its work, and so loses what a crash interrupts. It has no ledger, no"
        " outcomes, no recheck, no second topic before an inbox entry, and no dead letters; an inbox has no cap and no"
        " expiry.",
    ),
    "each": Mode(
        ("peer.events.each", "peer.emails.each"),
        "It is the mode `batch` with one record a call, and leaves out the same.",
    ),
    "ledger": Mode(
        LEDGER,
        "It keeps the promises for one account or one group an event, but retries nothing (a 4xx is final, and after a"
        " crash a claimed message waits for an operator) and rebuilds nothing from Kafka. It leaves out validation of"
        " the data by type, other audiences, withdrawal and superseding of events, the record of events without"
        " recipients, relay fail-over and rate limits, languages, unsubscribe links, the expiry of single entries, the"
        " live stream, metrics and traces.",
    ),
}
