"""Events, deliveries and steps from the dispatch records and outcomes in Kafka, for a ledger that is rebuilt."""

from collections.abc import Sequence

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.keys import GroupKey
from service.model.ledger import HistoryStep, State
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.restored_history import LoggedDelivery


def logged_outcomes(outcomes: Sequence[Outcome]) -> list[LoggedDelivery]:
    """Return the deliveries of outcomes, each once, with the steps that the ledger had."""
    by_delivery: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_delivery.setdefault(outcome.delivery, []).append(outcome)
    return [
        LoggedDelivery(
            ones[0].event,
            delivery,
            ones[0].recipient,
            ones[0].channel,
            ones[0].rule,
            ones[0].matched,
            min(one.at_ms for one in ones),
            [step_of_outcome(one) for one in ones],
        )
        for delivery, ones in by_delivery.items()
    ]


def step_of_outcome(outcome: Outcome) -> HistoryStep:
    """Return the step that the ledger has of an outcome.

    Resolve puts the rule and what it matched before the detail of its outcomes; the ledger has them in its row.
    """
    step = outcome.step()
    prefix = f"{outcome.rule} {outcome.matched}: "
    if not outcome.matched or not step.detail.startswith(prefix):
        return step
    return HistoryStep(
        step.state, step.reason, step.at_ms, step.attempt, step.detail.removeprefix(prefix), step.owner
    )


def logged_dispatch(delivery: Delivery, at_ms: int) -> LoggedDelivery:
    """Return the delivery in a dispatch record, which says that it was queued, or will be sent again, until `at_ms`."""
    queued = HistoryStep(State.queued, Reason.none, delivery.queued_ms, 0, delivery.decided)
    return LoggedDelivery(
        delivery.event,
        delivery.id,
        delivery.recipient,
        delivery.channel,
        delivery.rule,
        delivery.matched,
        at_ms,
        [queued] if delivery.queued_ms else (),
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
    """Return the event of an outcome, as far as the outcome holds it; where it has no times, they are its own."""
    received_ms = outcome.received_ms or outcome.at_ms
    return Event(outcome.event, outcome.event_id, outcome.source, outcome.type, received_ms, received_ms, {})
