"""Who wins: the one place that decides whether a delivery is made.

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
    """The first state of a delivery, why, and by which rule in words for `explain`."""

    state: State
    reason: Reason
    detail: str


def decide(
    row: NotificationType,
    channel: Channel,
    *,
    choice: Choice | None,
    suppressed: Suppression | None = None,
    unsubscribed: Choice | None = None,
    listed: bool = False,
) -> Decision:
    """Whether to deliver. `suppressed`: what stands against the address; `listed`: a group lists it for this type."""
    if row.mandatory:
        return Decision(State.queued, Reason.none, "mandatory type")
    if suppressed is not None and CHANNELS[channel].suppressible:
        said = f"suppressed since {suppressed.at_ms}: {suppressed.reason}"
        return Decision(State.suppressed, Reason.suppressed_address, said)
    if unsubscribed is not None and not unsubscribed.on:
        return Decision(State.skipped, Reason.unsubscribed, _since("unsubscribed", unsubscribed))
    if choice is not None:
        if choice.on:
            return Decision(State.queued, Reason.none, _since("preference on", choice))
        return Decision(State.skipped, Reason.preference_off, _since("preference off", choice))
    return Decision(State.queued, Reason.none, "listed in the group" if listed else "on by default")


def _since(what: str, choice: Choice) -> str:
    by = f" by {choice.by}" if choice.by else ""
    return f"{what} since {choice.since_ms}{by}" if choice.since_ms else f"{what}{by}"
