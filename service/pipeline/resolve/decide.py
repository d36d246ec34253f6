"""Deliveries of a candidate, one a channel, each with its decision. Writes nothing, so what-if uses it too.

A type with reminders has further deliveries by mail, each with its own time; reading the notification ends them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import Raw

from service.model.address import mailbox
from service.model.catalogue import AudienceRule, NotificationType, Reminders
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery, json_document
from service.model.event import Event
from service.model.holds.calendar import next_local_ms
from service.model.ids import delivery_id, reminder_id
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import preference_key
from service.pipeline.resolve.audience import Candidate, channels
from service.pipeline.resolve.precedence import Decision, decide
from service.pipeline.resolve.wide import MailboxUse, WideMailboxes, WideRecipients

_GROUP = AudienceRule.group
_LONGEST_SCHEDULE_S = 8 * 86_400
"""A week and a clock change, until the next local time on a day of the week."""


@dataclass(slots=True)
class EventInProgress:
    """An event with the recipients found so far, and what was decided for each mailbox."""

    event: Event
    notification_type: NotificationType
    recipients: set[str] | WideRecipients = field(default_factory=set)
    mailboxes: dict[str, MailboxUse] | WideMailboxes = field(default_factory=dict)
    supersede: str = field(init=False)
    """The supersede key of the event; empty for one that none replaces. Made once: the data may be large."""
    document: Raw = field(init=False)
    _times: tuple[int, int] | None = field(init=False, default=None)
    """The same in every zone; None where they are not."""

    def __post_init__(self) -> None:
        """Make what all deliveries of the event have in common."""
        event = self.event
        self.document = json_document(event.data)
        self.supersede = self.notification_type.supersede_key(event.data, event.supersede)
        schedule = self.notification_type.schedule
        if schedule is None or schedule.at is None:
            self._times = self._times_in("")

    def times(self, zone: str) -> tuple[int, int]:
        """Return before when nothing is delivered in a zone, 0 for no such time, and when it expires (ms)."""
        return self._times or self._times_in(zone)

    def _times_in(self, zone: str) -> tuple[int, int]:
        at_ms = deliver_ms(self.event, self.notification_type, zone)
        return at_ms, _deadline_ms(self.event, self.notification_type, at_ms)

    def widen(self) -> None:
        """Remember the recipients in a few bytes each, since there may be a million. Call it before the first one."""
        self.recipients, self.mailboxes = WideRecipients(), WideMailboxes()


def decide_deliveries(
    progress: EventInProgress, candidate: Candidate, now_ms: int
) -> Iterator[tuple[Delivery, Decision]]:
    """Yield the deliveries of a candidate with their decisions; none where an earlier rule has found the recipient."""
    if candidate.recipient in progress.recipients:
        return
    progress.recipients.add(candidate.recipient)
    times = progress.times(candidate.timezone)
    reminders = None if candidate.rule is _GROUP else progress.notification_type.reminders
    for channel in channels(progress.notification_type, candidate):
        decision = _first_decision(progress, candidate, channel, now_ms, times)
        if CHANNELS[channel].addressed and candidate.address:
            decision = _once_a_mailbox(progress, candidate, decision)
        delivery = _delivery(progress, candidate, channel, decision, now_ms, times=times)
        yield delivery, decision
        if reminders and channel is Channel.email:
            # Whatever is decided: where a worker died, the record is read again, and what was queued is dispatched.
            for reminder in _reminders(progress, delivery, reminders):
                yield reminder, decision


def deliver_ms(event: Event, notification_type: NotificationType, zone: str) -> int:
    """Return before when an event is not delivered (ms), as it says itself or else its type; 0 for no such time."""
    schedule = notification_type.schedule
    if event.deliver_ms or schedule is None:
        return event.deliver_ms if event.deliver_ms > event.received_ms else 0
    at_ms = event.received_ms + schedule.delay_s * 1000
    if schedule.at is not None:
        at_ms = next_local_ms(schedule.days, schedule.at, zone, at_ms - 1)
    return at_ms if at_ms > event.received_ms else 0


def longest_wait_s(event: Event, notification_type: NotificationType) -> int:
    """Return how long the last delivery of an event waits for its time at most, in seconds after the receipt."""
    schedule, reminders = notification_type.schedule, notification_type.reminders
    if not (event.deliver_ms or schedule or reminders):
        return notification_type.mail_if_unread_s
    wait_s = max(0, event.deliver_ms - event.received_ms) // 1000
    if schedule and not event.deliver_ms:
        wait_s = schedule.delay_s + (_LONGEST_SCHEDULE_S if schedule.at else 0)
    wait_s += notification_type.mail_if_unread_s
    return wait_s + (reminders.every_s * reminders.most if reminders else 0)


def _reminders(progress: EventInProgress, first: Delivery, rule: Reminders) -> Iterator[Delivery]:
    """Yield the reminders that follow a mail."""
    event, notification_type = progress.event, progress.notification_type
    base_ms = (first.deliver_ms or event.received_ms) + notification_type.mail_if_unread_s * 1000
    for number in range(1, rule.most + 1):
        at_ms = base_ms + number * rule.every_s * 1000
        deadline_ms = _deadline_ms(event, notification_type, at_ms)
        if at_ms < deadline_ms:
            id_ = reminder_id(event.key, first.recipient, number)
            yield first.replace(id=id_, reminder=number, deliver_ms=at_ms, deadline_ms=deadline_ms)


def _delivery(
    progress: EventInProgress,
    candidate: Candidate,
    channel: Channel,
    decision: Decision,
    now_ms: int,
    *,
    times: tuple[int, int],
) -> Delivery:
    event, queued = progress.event, decision.state is State.queued
    at_ms, deadline_ms = times
    return Delivery(
        id=delivery_id(event.key, candidate.recipient, channel),
        event=event.key,
        event_id=event.id,
        source=event.source,
        type=event.type,
        channel=channel,
        recipient=candidate.recipient,
        rule=candidate.rule,
        created_ms=event.time_ms,
        received_ms=event.received_ms,
        deadline_ms=deadline_ms,
        expires_ms=event.expires_ms or 0,
        deliver_ms=at_ms,
        queued_ms=now_ms if queued else 0,
        decided=decision.detail if queued else "",
        matched=candidate.matched,
        row_version=candidate.row_version,
        address=candidate.address if CHANNELS[channel].addressed else "",
        name=candidate.name,
        locale=candidate.locale,
        timezone=candidate.timezone,
        document=progress.document,
        lane=progress.notification_type.lane,
        supersede=progress.supersede,
        traceparent=event.traceparent or "",
    )


def _deadline_ms(event: Event, notification_type: NotificationType, at_ms: int) -> int:
    """Return when a delivery that goes at a time (ms) expires: as the event says, yet not after its ledger entries do.

    The time to live of the type counts from that time, which is after the receipt, or from the receipt (0).
    """
    from_ms = at_ms or event.received_ms
    if event.expires_ms is None:
        return from_ms + notification_type.ttl_s * 1000
    last_s = max(notification_type.ttl_s, notification_type.kept_s)
    return min(event.expires_ms, from_ms + last_s * 1000)


def _first_decision(
    progress: EventInProgress, candidate: Candidate, channel: Channel, now_ms: int, times: tuple[int, int]
) -> Decision:
    """Return the decision for one recipient × channel: first what rules the delivery out, then by precedence."""
    event, notification_type = progress.event, progress.notification_type
    if not candidate.known:
        return Decision(State.skipped, Reason.no_such_recipient, "not in the recipients table")
    if event.actor == candidate.recipient and not notification_type.notify_actor:
        return Decision(State.skipped, Reason.own_action, "the recipient did this")
    if CHANNELS[channel].addressed and not candidate.address:
        return Decision(State.skipped, Reason.no_address, "the recipient has no address")
    at_ms, deadline_ms = times
    if deadline_ms <= now_ms or deadline_ms <= at_ms:
        return Decision(State.expired, Reason.past_deadline, f"deadline {deadline_ms}")
    choice = candidate.preferences.get(preference_key(notification_type.name, channel))
    return decide(notification_type, channel, choice=choice, listed=candidate.rule is AudienceRule.group)


def _once_a_mailbox(progress: EventInProgress, candidate: Candidate, decision: Decision) -> Decision:
    """Return the decision, or `duplicate_address` where another recipient has decided for the same mailbox.

    Two ids with one mailbox get one message. What a recipient has decided, a group list with the same mailbox does not
    change: a list has no preferences, and does not know who caused the event.
    """
    key = mailbox(candidate.address)
    first = progress.mailboxes.get(key)
    queued = decision.state is State.queued
    if first is not None and queued and (first.queued or candidate.rule is AudienceRule.group):
        return Decision(State.skipped, Reason.duplicate_address, f"the address of {first.recipient}")
    if first is None or queued:
        progress.mailboxes[key] = MailboxUse(candidate.recipient, queued)
    return decision
