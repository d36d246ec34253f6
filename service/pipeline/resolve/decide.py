"""Judge: a candidate becomes its deliveries, each with the verdict on it. Writes nothing, so what-if asks it too."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from service.model.catalogue import AudienceRule, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.event import Event
from service.model.ids import delivery_id
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import preference_key
from service.pipeline.resolve.audience import Candidate, channels
from service.pipeline.resolve.precedence import Decision, decide


@dataclass(slots=True)
class EventInProgress:
    """An event with those already found for it: a person or an address found twice hears once."""

    event: Event
    row: NotificationType
    recipients: set[str] = field(default_factory=set)
    addresses: dict[str, AudienceRule] = field(default_factory=dict)


def decide_deliveries(
    case: EventInProgress, candidate: Candidate, now_ms: int
) -> Iterator[tuple[Delivery, Decision]]:
    """The deliveries to somebody a rule found, one a channel; none where an earlier rule has found them."""
    if candidate.recipient in case.recipients:
        return
    case.recipients.add(candidate.recipient)
    for channel in channels(case.row, candidate):
        delivery = _delivery(case, candidate, channel)
        yield delivery, _first_state(case, candidate, channel, delivery, now_ms)


def _delivery(case: EventInProgress, candidate: Candidate, channel: Channel) -> Delivery:
    event, row = case.event, case.row
    return Delivery(
        id=delivery_id(event.key, candidate.recipient, channel),
        event=event.key,
        event_id=event.id,
        source=event.source,
        type=event.type,
        channel=channel,
        recipient=candidate.recipient,
        rule=candidate.rule,
        matched=candidate.matched,
        row_version=candidate.row_version,
        created_ms=event.time_ms,
        received_ms=event.received_ms,
        deadline_ms=event.expires_ms or event.received_ms + row.ttl * 1000,
        address=candidate.address if CHANNELS[channel].addressed else "",
        name=candidate.name,
        locale=candidate.locale,
        timezone=candidate.timezone,
        data=event.data,
        lane=row.lane,
        supersede=row.supersede_key(event.data, event.supersede) if row.supersede or event.supersede else "",
        traceparent=event.traceparent or "",
    )


def _first_state(
    case: EventInProgress, candidate: Candidate, channel: Channel, delivery: Delivery, now_ms: int
) -> Decision:
    """The verdict on one recipient × channel: what rules it out first, then who wins."""
    if not candidate.known:
        return Decision(State.skipped, Reason.no_such_recipient, "not in the recipients table")
    if case.event.actor == candidate.recipient and not case.row.notify_actor:
        return Decision(State.skipped, Reason.own_action, "the recipient did this")
    if CHANNELS[channel].addressed:
        if not candidate.address:
            return Decision(State.skipped, Reason.no_address, "the recipient has no address")
        first = case.addresses.setdefault(candidate.address.lower(), candidate.rule)
        if first is not candidate.rule:
            return Decision(State.skipped, Reason.duplicate_address, f"already found by {first}")
    if delivery.deadline_ms <= now_ms:
        return Decision(State.expired, Reason.past_deadline, f"deadline {delivery.deadline_ms}")
    choice = candidate.preferences.get(preference_key(case.row.name, channel))
    return decide(case.row, channel, choice=choice, listed=candidate.rule is AudienceRule.group)
