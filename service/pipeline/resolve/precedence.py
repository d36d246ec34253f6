"""Precedence: the one place that decides which setting wins, and so whether a delivery is made.

mandatory type > suppression > unsubscribe > contact or recipient preference > group list > type default
"""

from typing import NamedTuple

from service.model.catalogue import NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import Choice
from service.model.suppression import Suppression


class Decision(NamedTuple):
    """The state that a delivery gets, the reason, and the rule that decided, in words for `explain`."""

    state: State
    reason: Reason
    detail: str


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


def _since(setting: str, choice: Choice) -> str:
    author = f" by {choice.by}" if choice.by else ""
    return f"{setting} since {choice.since_ms}{author}" if choice.since_ms else f"{setting}{author}"
