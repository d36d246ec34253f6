"""What deliveries and outcomes say, as the ledger takes it: for who fills a ledger from what was told."""

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.keys import GroupKey
from service.model.ledger import NewEntry, ReplayKind, State, Transition
from service.model.outcome import Outcome
from service.model.reasons import Reason

_CLAIMED = frozenset({State.sent, State.deferred, State.ambiguous, State.bounced})
"""States that follow `sending`, which no outcome tells."""


def transitions_of(told: Outcome) -> list[Transition]:
    """The moves that an outcome tells of. `queued` may be told late and twice, an operator's with a reason."""
    if told.state is State.queued and told.reason is not Reason.replayed:
        return []
    transition = Transition(
        told.event,
        told.delivery,
        told.state,
        told.reason,
        told.at_ms,
        told.attempt,
        told.detail or told.reply,
        replay=ReplayKind.again if told.state is State.queued else ReplayKind.none,
    )
    if told.state not in _CLAIMED:
        return [transition]
    claim = Transition(told.event, told.delivery, State.sending, Reason.none, told.at_ms, told.attempt)
    return [claim, transition]


def new_entry_of(told: Outcome) -> NewEntry:
    """The first state of a delivery."""
    return NewEntry(
        told.event,
        told.delivery,
        told.recipient,
        told.channel,
        told.state,
        told.reason,
        told.at_ms,
        told.detail,
        told.rule,
        told.matched,
    )


def event_of(delivery: Delivery) -> Event:
    """What a delivery tells of its event."""
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


def event_of_outcome(told: Outcome) -> Event:
    """What an outcome tells of its event: not its own times."""
    return Event(told.event, told.event_id, told.source, told.type, told.at_ms, told.at_ms, {})
