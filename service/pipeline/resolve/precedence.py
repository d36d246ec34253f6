"""Precedence: the one place that decides which setting wins: whether a delivery is made, when, and whether alone.

`PRECEDENCE` has the rules in their order. `decide` is the first half of it, whether a delivery is made; resolve and the
recheck before sending use it. `hold` is the second half, until when mail is held; only the recheck uses it, since what
holds a mail may have changed by then. The limit, for which the recheck needs Redis, is `over_limit`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from service.model.blocks.suppression import Suppression
from service.model.catalogue import Lane, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.holds.calendar import Frequency, next_digest_ms, quiet_until_ms
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import Choice, preference_key
from service.pipeline.resolve.audience import Candidate


class PrecedenceRule(StrEnum):
    """A rule that decides about a delivery."""

    mandatory = "mandatory"
    suppression = "suppression"
    unsubscribe = "unsubscribe"
    preference = "preference"
    quiet_hours = "quiet hours"
    limit = "limit"
    digest = "digest"
    at_once = "at once"


PRECEDENCE = tuple(PrecedenceRule)
"""The rules: an earlier one wins over the later ones."""


class Decision(NamedTuple):
    """The state that a delivery gets, the reason, and the rule that decided, in words for `explain`.

    `until_ms`: when a held delivery is decided again; 0 where an operator decides. `window`: the group and frequency of
    the digest that it is put into, empty where it goes alone.
    """

    state: State
    reason: Reason
    detail: str
    until_ms: int = 0
    window: str = ""


def decide(
    notification_type: NotificationType,
    channel: Channel,
    *,
    choice: Choice | None,
    suppressed: Suppression | None = None,
    unsubscribed: Choice | None = None,
    listed: bool = False,
) -> Decision:
    """Return the first state of the delivery, with its reason.

    `choice`: the recipient's preference for this type and channel, if any. `suppressed`: a suppression in force, and
    `unsubscribed`: an unsubscribe; the email stage looks both up in its recheck, so resolve passes neither. `listed`:
    a group lists the address.
    """
    if notification_type.mandatory:
        return Decision(State.queued, Reason.none, "mandatory type")
    if suppressed is not None and CHANNELS[channel].suppressible:
        detail = f"suppressed since {suppressed.at_ms}: {suppressed.reason}"
        return Decision(State.suppressed, Reason.suppressed_address, detail)
    if unsubscribed is not None and not unsubscribed.on:
        return Decision(State.skipped, Reason.unsubscribed, _since("unsubscribed", unsubscribed))
    if choice is not None:
        if choice.on:
            return Decision(State.queued, Reason.none, _since("preference on", choice))
        return Decision(State.skipped, Reason.preference_off, _since("preference off", choice))
    return Decision(State.queued, Reason.none, "listed in the group" if listed else "on by default")


def hold(
    delivery: Delivery, notification_type: NotificationType, recipient: Candidate, now_ms: int
) -> Decision | None:
    """Return until when a mail that is to be sent is held, and why; None where only a limit can hold it.

    An operator's time takes the place of all rules. A mail that has been attempted, and a reminder, are sent alone.
    """
    if delivery.retimed_ms or delivery.deliver_ms > now_ms:
        return hold_scheduled(delivery, now_ms)
    if notification_type.is_sent_at_once and not recipient.preferences and not recipient.quiet_hours:
        return None
    if (wait_s := notification_type.mail_if_unread_s) and not delivery.reminder:
        unread_ms = (delivery.deliver_ms or delivery.received_ms) + wait_s * 1000
        if unread_ms > now_ms:
            return _held(Reason.inbox_first, unread_ms, "")
    if notification_type.mandatory:
        return None
    return _quiet_or_together(delivery, notification_type, recipient, now_ms)


def hold_scheduled(delivery: Delivery, now_ms: int) -> Decision | None:
    """Return until when a delivery of any channel is held that an operator, its event or its type has scheduled."""
    if delivery.retimed_ms:
        return _held(Reason.retimed, delivery.retimed_ms, "") if delivery.retimed_ms > now_ms else None
    return _held(Reason.scheduled, delivery.deliver_ms, "") if delivery.deliver_ms > now_ms else None


def _quiet_or_together(
    delivery: Delivery, notification_type: NotificationType, recipient: Candidate, now_ms: int
) -> Decision | None:
    quiet_ms = quiet_ms_of(delivery, notification_type, recipient, now_ms)
    rule = notification_type.digest
    if rule is None or delivery.attempt or delivery.reminder:
        return _held(Reason.quiet_hours, quiet_ms, _quiet(recipient)) if quiet_ms else None
    frequency = frequency_of(notification_type, recipient)
    due_ms = digest_ms(notification_type, frequency, recipient.timezone, now_ms)
    if due_ms == now_ms and not quiet_ms:
        return None
    window = f"{notification_type.digest_group}|{frequency}"
    if due_ms == now_ms:
        return _held(Reason.quiet_hours, quiet_ms, "", window)
    # A digest whose time is in quiet hours waits for their end.
    due_ms = quiet_ms_of(delivery, notification_type, recipient, due_ms) or due_ms
    return _held(Reason.quiet_hours if quiet_ms else Reason.digest, max(due_ms, quiet_ms), "", window)


def hold_digest(
    digest: Delivery, items: Sequence[tuple[NotificationType, Candidate]], opened_ms: int, now_ms: int
) -> Decision | None:
    """Return until when a digest with these items is held, and why; None where only a limit can hold it.

    Its time follows from when its window was opened and from the recipient's present choices: the shortest counts.
    """
    if digest.retimed_ms:
        return hold_scheduled(digest, now_ms)
    quiet_ms = max(quiet_ms_of(digest, declared, recipient, now_ms) for declared, recipient in items)
    due_ms = min(
        digest_ms(declared, frequency_of(declared, recipient), recipient.timezone, opened_ms)
        for declared, recipient in items
    )
    if due_ms > now_ms and not digest.attempt:
        later_ms = max(quiet_ms_of(digest, declared, recipient, due_ms) for declared, recipient in items)
        return _held(Reason.quiet_hours if quiet_ms else Reason.digest, max(due_ms, later_ms, quiet_ms), "")
    return _held(Reason.quiet_hours, quiet_ms, "") if quiet_ms else None


def over_limit(
    delivery: Delivery, notification_type: NotificationType, recipient: Candidate, room_ms: int
) -> Decision:
    """Return the decision on a mail for which there will be room within the recipient's limits at a time (ms)."""
    if notification_type.limit is not None and notification_type.limit.over == "skip":
        return Decision(State.skipped, Reason.limit, "over the limit of the type, which skips more")
    if notification_type.digest is None or delivery.attempt or delivery.reminder:
        return _held(Reason.limit, room_ms, "")  # a digest, too
    frequency = frequency_of(notification_type, recipient)
    return _held(Reason.limit, room_ms, "", f"{notification_type.digest_group}|{frequency}")


def frequency_of(notification_type: NotificationType, recipient: Candidate) -> Frequency:
    """Return how often mail of a type is sent to a recipient: as the preference says, or else the type."""
    rule = notification_type.digest
    if rule is None:
        return Frequency.instant
    if not recipient.preferences:
        return rule.frequency
    choice = recipient.preferences.get(preference_key(notification_type.name, Channel.email))
    return (choice.frequency if choice else None) or rule.frequency


def digest_ms(notification_type: NotificationType, frequency: Frequency, zone: str, opened_ms: int) -> int:
    """Return when a digest goes whose window was opened at a time (ms): `opened_ms` for mail that is sent at once."""
    rule = notification_type.digest
    if rule is None:
        return opened_ms
    if frequency is Frequency.instant:
        return opened_ms + rule.wait_s * 1000
    return next_digest_ms(frequency, zone, rule.at, rule.day, opened_ms)


def quiet_ms_of(
    delivery: Delivery, notification_type: NotificationType, recipient: Candidate, at_ms: int
) -> int:
    """Return when the quiet hours end that a time (ms) is in; 0 outside of them, and in the lane `high`."""
    windows = recipient.quiet_hours if recipient.quiet_hours is not None else notification_type.quiet_hours
    if not windows or delivery.lane is Lane.high:
        return 0
    return quiet_until_ms(windows, recipient.timezone, at_ms)


def _held(reason: Reason, until_ms: int, detail: str, window: str = "") -> Decision:
    return Decision(State.held, reason, detail, until_ms, window)


def _quiet(recipient: Candidate) -> str:
    return f"in the zone {recipient.timezone}"


def _since(setting: str, choice: Choice) -> str:
    author = f" by {choice.by}" if choice.by else ""
    return f"{setting} since {choice.since_ms}{author}" if choice.since_ms else f"{setting}{author}"
