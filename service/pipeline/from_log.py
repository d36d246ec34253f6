"""Ledger entries and transitions from the deliveries and outcomes in Kafka, for a ledger that is rebuilt."""

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.keys import GroupKey
from service.model.ledger import NewEntry, ReplayKind, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason

_AFTER_CLAIM = frozenset({State.sent, State.deferred, State.ambiguous, State.bounced})
"""States that follow `sending`, of which there is no outcome."""


def transitions_of(outcome: Outcome) -> list[Transition]:
    """Return the transitions that lead to an outcome: none for the first state, two where a claim came before.

    Outcomes with `queued` may be published late and twice, so only those of a replay count, which have a reason.
    """
    if outcome.state is State.queued and outcome.reason is not Reason.replayed:
        return []
    transition = Transition(
        outcome.event,
        outcome.delivery,
        outcome.state,
        outcome.reason,
        outcome.at_ms,
        outcome.attempt,
        outcome.detail or outcome.reply,
        replay=ReplayKind.again if outcome.state is State.queued else ReplayKind.none,
    )
    if outcome.state not in _AFTER_CLAIM:
        return [transition]
    claim = Transition(
        outcome.event, outcome.delivery, State.sending, Reason.none, outcome.at_ms, outcome.attempt
    )
    return [claim, transition]


def new_entry_of(outcome: Outcome) -> NewEntry:
    """Return the ledger entry whose first state is that of an outcome."""
    return NewEntry(
        outcome.event,
        outcome.delivery,
        outcome.recipient,
        outcome.channel,
        outcome.state,
        outcome.reason,
        outcome.at_ms,
        outcome.detail,
        outcome.rule,
        outcome.matched,
    )


def event_of(delivery: Delivery) -> Event:
    """Return the event of a delivery, as far as the delivery holds it: without data, actor and recipients."""
    group = GroupKey.parse(delivery.matched) if delivery.rule is AudienceRule.group else None
    return Event(
        key=delivery.event,
        id=delivery.event_id,
        source=delivery.source,
        type=delivery.type,
        time_ms=delivery.created_ms,
        received_ms=delivery.received_ms,
        data={},
        external_id=group.external_id if group else None,
        project_id=group.project_id if group else "",
        account=delivery.matched if delivery.rule is AudienceRule.account else None,
    )


def event_of_outcome(outcome: Outcome) -> Event:
    """Return the event of an outcome, as far as the outcome holds it; its times are those of the outcome."""
    return Event(
        outcome.event, outcome.event_id, outcome.source, outcome.type, outcome.at_ms, outcome.at_ms, {}
    )
