"""A filter for deliveries by their latest outcome."""

from dataclasses import dataclass

from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.validators import MAX_TIME_MS


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """A filter for deliveries by their latest outcome; an empty set matches everything. Times are milliseconds."""

    events: frozenset[str] = frozenset()
    """Events by their keys or ids."""
    sources: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    relays: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    """Reply codes: `550` or `5.1.1`."""
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = MAX_TIME_MS

    def matches_delivery(self, outcome: Outcome) -> bool:
        """Return whether the filter matches the delivery, whatever its state."""
        return (
            (not self.events or outcome.event in self.events or outcome.event_id in self.events)
            and (not self.sources or outcome.source in self.sources)
            and (not self.types or outcome.type in self.types)
            and (not self.recipients or outcome.recipient in self.recipients)
            and (not self.channels or outcome.channel in self.channels)
        )

    def matches_outcome(self, outcome: Outcome) -> bool:
        """Return whether the filter matches a delivery's latest outcome."""
        return (
            self.matches_state(outcome.state)
            and self.since_ms <= outcome.at_ms < self.until_ms
            and (not self.relays or outcome.relay in self.relays)
            and (not self.codes or not self.codes.isdisjoint(outcome.reply.split(" ", 2)[:2]))
            and (not self.reasons or outcome.reason in self.reasons)
        )

    def matches_state(self, state: State) -> bool:
        """Return whether the filter matches a state."""
        return not self.states or state in self.states

    def matches(self, outcome: Outcome) -> bool:
        """Return whether the filter matches a delivery and its latest outcome."""
        return self.matches_delivery(outcome) and self.matches_outcome(outcome)
