"""The codes of states, reasons, channels, rules and common details in the ledger's rows.

A code is a place in its list, from 1 on: new members go to the end, and none is ever removed, since rows have them. A
state has four bits, so the code of the sixteenth is 0. The scripts know some codes of states by their numbers
(`ledger_functions.lua`).
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.ledger import State
from service.model.reasons import Reason

T = TypeVar("T", bound=str)

STATES: Sequence[State] = (
    State.queued,
    State.sending,
    State.sent,
    State.returned,
    State.delivered,
    State.skipped,
    State.held,
    State.deferred,
    State.ambiguous,
    State.bounced,
    State.suppressed,
    State.expired,
    State.superseded,
    State.withdrawn,
    State.dead,
    State.digested,
)

REASONS: Sequence[Reason] = (
    Reason.none,
    Reason.preference_off,
    Reason.unsubscribed,
    Reason.own_action,
    Reason.duplicate_address,
    Reason.no_such_recipient,
    Reason.no_address,
    Reason.invalid_address,
    Reason.not_in_group,
    Reason.already_read,
    Reason.suppressed_address,
    Reason.past_deadline,
    Reason.newer_event,
    Reason.withdrawn_by_source,
    Reason.greylisted,
    Reason.rate_limited,
    Reason.mailbox_full,
    Reason.mailbox_unknown,
    Reason.mailbox_disabled,
    Reason.domain_unknown,
    Reason.spam_refused,
    Reason.policy_refused,
    Reason.too_big,
    Reason.invalid_content,
    Reason.relaying_denied,
    Reason.sender_refused,
    Reason.sender_unauthenticated,
    Reason.host_refused,
    Reason.account_refused,
    Reason.mail_loop,
    Reason.destination_unreachable,
    Reason.expired_in_transit,
    Reason.relay_unavailable,
    Reason.relay_busy,
    Reason.temporary,
    Reason.permanent,
    Reason.lost_after_data,
    Reason.worker_died,
    Reason.lease_over,
    Reason.awaiting_operator,
    Reason.smtputf8_unsupported,
    Reason.eightbit_unsupported,
    Reason.malformed_reply,
    Reason.render_failed,
    Reason.bounce_received,
    Reason.unjudged_return,
    Reason.complaint_received,
    Reason.by_operator,
    Reason.replayed,
    Reason.state_lost,
    Reason.retention_over,
    Reason.retimed,
    Reason.scheduled,
    Reason.inbox_first,
    Reason.quiet_hours,
    Reason.limit,
    Reason.digest,
    Reason.empty_digest,
    Reason.type_removed,
)

CHANNELS: Sequence[Channel] = (Channel.email, Channel.inbox)

RULES: Sequence[AudienceRule] = (
    AudienceRule.group,
    AudienceRule.account,
    AudienceRule.users,
    AudienceRule.role,
)

DETAILS: Sequence[str] = (
    "on by default",
    "listed in the group",
    "mandatory type",
    "preference on",
    "preference off",
    "unsubscribed",
    "not in the recipients table",
    "the recipient did this",
    "the recipient has no address",
    "read in the inbox",
    "no longer in the table",
)


def _codes(members: Sequence[T]) -> Mapping[T, int]:
    return {member: code for code, member in enumerate(members, 1)}


STATE_CODES = {state: code % 16 for state, code in _codes(STATES).items()}
REASON_CODES = _codes(REASONS)
CHANNEL_CODES = _codes(CHANNELS)
RULE_CODES = _codes(RULES)
DETAIL_CODES = _codes(DETAILS)
