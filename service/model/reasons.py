"""The closed sets of reasons, each reason with a sentence for humans beside its definition.

`Reason` explains the state of a delivery in the ledger, `SendReason` the result of an SMTP attempt where that never
enters the ledger, `DeadReason` a record on the dead-letter topic. `explain`, `tail`, the documents and AsyncAPI print
the sentences.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """The reason for the state of a delivery. Empty for the ordinary way."""

    none = ""
    # decided by resolve or by the recheck before sending
    preference_off = "preference_off"
    unsubscribed = "unsubscribed"
    own_action = "own_action"
    duplicate_address = "duplicate_address"
    no_such_recipient = "no_such_recipient"
    no_address = "no_address"
    invalid_address = "invalid_address"
    not_in_group = "not_in_group"
    already_read = "already_read"
    suppressed_address = "suppressed_address"
    past_deadline = "past_deadline"
    newer_event = "newer_event"
    withdrawn_by_source = "withdrawn_by_source"
    # results of an SMTP attempt
    greylisted = "greylisted"
    rate_limited = "rate_limited"
    mailbox_full = "mailbox_full"
    mailbox_unknown = "mailbox_unknown"
    mailbox_disabled = "mailbox_disabled"
    domain_unknown = "domain_unknown"
    spam_refused = "spam_refused"
    policy_refused = "policy_refused"
    too_big = "too_big"
    invalid_content = "invalid_content"
    relaying_denied = "relaying_denied"
    sender_refused = "sender_refused"
    sender_unauthenticated = "sender_unauthenticated"
    host_refused = "host_refused"
    account_refused = "account_refused"
    mail_loop = "mail_loop"
    destination_unreachable = "destination_unreachable"
    expired_in_transit = "expired_in_transit"
    relay_unavailable = "relay_unavailable"
    relay_busy = "relay_busy"
    temporary = "temporary"
    permanent = "permanent"
    lost_after_data = "lost_after_data"
    worker_died = "worker_died"
    lease_over = "lease_over"
    awaiting_operator = "awaiting_operator"
    smtputf8_unsupported = "smtputf8_unsupported"
    eightbit_unsupported = "eightbit_unsupported"
    malformed_reply = "malformed_reply"
    render_failed = "render_failed"
    bounce_received = "bounce_received"
    unjudged_return = "unjudged_return"
    complaint_received = "complaint_received"
    # by an operator
    by_operator = "by_operator"
    replayed = "replayed"
    retimed = "retimed"
    # held until a time, or sent with others
    scheduled = "scheduled"
    inbox_first = "inbox_first"
    quiet_hours = "quiet_hours"
    limit = "limit"
    digest = "digest"
    empty_digest = "empty_digest"
    # after a loss of data in Redis
    state_lost = "state_lost"
    retention_over = "retention_over"
    # after a reload of the catalogue
    type_removed = "type_removed"

    @property
    def text(self) -> str:
        """Return the sentence for humans; empty for `none`."""
        return REASON_TEXT[self]


REASON_TEXT: Mapping[Reason, str] = {
    Reason.none: "",
    Reason.preference_off: "the recipient has switched this type off for this channel",
    Reason.unsubscribed: "the recipient has unsubscribed from this type by the link in a message",
    Reason.own_action: "the recipient caused the event",
    Reason.duplicate_address: "another recipient of the same event has this address",
    Reason.no_such_recipient: "the recipient is not in the recipients table",
    Reason.no_address: "the recipient has no email address",
    Reason.invalid_address: "the email address is not valid",
    Reason.not_in_group: "the group no longer lists this address for this type",
    Reason.already_read: "the recipient has read the same notification in the inbox",
    Reason.suppressed_address: "the address is suppressed: no mail is sent to it",
    Reason.past_deadline: "the deadline passed before the delivery was made",
    Reason.newer_event: "a newer event with the same supersede key replaces this one",
    Reason.withdrawn_by_source: "the upstream service has withdrawn the event",
    Reason.greylisted: "the relay defers mail from an unknown sender (greylisting)",
    Reason.rate_limited: "the relay or its domain limits the rate of messages",
    Reason.mailbox_full: "the mailbox is full",
    Reason.mailbox_unknown: "the mailbox does not exist",
    Reason.mailbox_disabled: "the mailbox is disabled",
    Reason.domain_unknown: "the domain does not exist or accepts no mail",
    Reason.spam_refused: "the relay classified the message as spam",
    Reason.policy_refused: "a policy of the receiving server refuses the message",
    Reason.too_big: "the message is larger than the relay accepts",
    Reason.invalid_content: "the message cannot be transmitted as it is",
    Reason.relaying_denied: "the relay does not accept mail for this domain from us",
    Reason.sender_refused: "the relay refuses our sender address",
    Reason.sender_unauthenticated: "a server refuses our sender domain: SPF, DKIM or DMARC does not pass",
    Reason.host_refused: "a server refuses our host: its address, its reputation or its name",
    Reason.account_refused: "the relay refuses our account: its credentials, its state or its quota",
    Reason.mail_loop: "the message goes round in a circle between the recipient's servers",
    Reason.destination_unreachable: "the recipient's mail server could not be reached",
    Reason.expired_in_transit: "a relay accepted the message and could not deliver it in time",
    Reason.relay_unavailable: "no relay could be reached",
    Reason.relay_busy: "the relay is busy or shutting down",
    Reason.temporary: "the relay reported a temporary failure",
    Reason.permanent: "the relay reported a permanent failure",
    Reason.lost_after_data: "the connection was lost after the message was sent and before the relay's reply",
    Reason.worker_died: "the worker died while it was sending the message",
    Reason.lease_over: "the worker was paused for so long that another one may have sent the message",
    Reason.awaiting_operator: "the message may have been sent; an operator decides whether to send it again",
    Reason.smtputf8_unsupported: "the relay does not support internationalized addresses (SMTPUTF8)",
    Reason.eightbit_unsupported: "the relay does not support 8-bit content (8BITMIME)",
    Reason.malformed_reply: "the relay's reply does not follow RFC 5321",
    Reason.render_failed: "a template could not be rendered with the data of the event",
    Reason.bounce_received: "a delivery status notification reported that the message was not delivered",
    Reason.unjudged_return: "a message came back to the return address that does not say whether ours was delivered",
    Reason.complaint_received: "the recipient reported the message as spam",
    Reason.by_operator: "an operator stopped the delivery",
    Reason.replayed: "an operator sent the delivery again",
    Reason.retimed: "an operator has set the time of the delivery",
    Reason.scheduled: "the event or its type says when it is delivered",
    Reason.inbox_first: "mail follows only if the notification is still unread in the inbox then",
    Reason.quiet_hours: "the recipient gets no mail at this time of the day",
    Reason.limit: "the recipient has had as much mail as the limit allows",
    Reason.digest: "it is sent together with others in a digest",
    Reason.empty_digest: "nothing in the digest was left to be sent",
    Reason.state_lost: "the delivery was lost in Redis and entered again from its record in Kafka",
    Reason.retention_over: "its entry has left the ledger, so whether it was sent before is unknown",
    Reason.type_removed: "the catalogue no longer has the type of the delivery",
}


HELD_UNTIL_A_TIME = frozenset(
    {
        Reason.retimed,
        Reason.scheduled,
        Reason.inbox_first,
        Reason.quiet_hours,
        Reason.limit,
        Reason.digest,
    }
)
"""The reasons for which a delivery is held and goes by itself; for any other, an operator decides."""

RETURN_REASONS = frozenset(
    {Reason.bounce_received, Reason.expired_in_transit, Reason.unjudged_return, Reason.complaint_received}
)
"""The reasons that a message gives which came back by mail, after a relay took ours; they belong to no attempt."""


class SendReason(StrEnum):
    """The reason for the result of an SMTP attempt, where it is not a reason of the ledger."""

    accepted = "accepted"
    # unsent: the relay pauses and no attempt is counted
    auth_failed = "auth_failed"
    misconfigured = "misconfigured"
    closing = "closing"
    unclaimed = "unclaimed"

    @property
    def text(self) -> str:
        """Return the sentence for humans."""
        return SEND_REASON_TEXT[self]


SEND_REASON_TEXT: Mapping[SendReason, str] = {
    SendReason.accepted: "the relay accepted the message",
    SendReason.auth_failed: "the relay refuses our credentials",
    SendReason.misconfigured: "the relay cannot be used with these settings",
    SendReason.closing: "the worker is shutting down",
    SendReason.unclaimed: "the ledger does not let this worker send the message now",
}

ResultReason = Reason | SendReason
"""The reason for the result of an SMTP attempt."""


def result_reason(name: str) -> ResultReason:
    """Return the reason of that name. Raise ValueError for an unknown one."""
    return SendReason(name) if name in set(SendReason) else Reason(name)


class DeadReason(StrEnum):
    """The reason for which a record is on the dead-letter topic. A closed set; each has a sentence for humans."""

    empty = "empty"
    too_large = "too_large"
    invalid_utf8 = "invalid_utf8"
    invalid_json = "invalid_json"
    schema_registry_framing = "schema_registry_framing"
    duplicate_key = "duplicate_key"
    not_a_number = "not_a_number"
    number_out_of_range = "number_out_of_range"
    lone_surrogate = "lone_surrogate"
    too_deep = "too_deep"
    not_an_object = "not_an_object"
    unsupported_content_type = "unsupported_content_type"
    unsupported_specversion = "unsupported_specversion"
    missing_attribute = "missing_attribute"
    invalid_attribute = "invalid_attribute"
    unknown_type = "unknown_type"
    invalid_data = "invalid_data"
    missing_audience = "missing_audience"
    invalid_withdrawal = "invalid_withdrawal"
    render_failed = "render_failed"
    unreadable = "unreadable"
    unprocessable = "unprocessable"

    @property
    def text(self) -> str:
        """Return the sentence for humans."""
        return DEAD_REASON_TEXT[self]


DEAD_REASON_TEXT: Mapping[DeadReason, str] = {
    DeadReason.empty: "the record has no value",
    DeadReason.too_large: "the event is larger than 256 KiB, or has too many parts",
    DeadReason.invalid_utf8: "the bytes are not UTF-8",
    DeadReason.invalid_json: "the bytes are not JSON (RFC 8259)",
    DeadReason.schema_registry_framing: "a schema registry's framing comes before the JSON",
    DeadReason.duplicate_key: "an object has the same key twice, so its meaning is unclear",
    DeadReason.not_a_number: "NaN and Infinity are not JSON numbers",
    DeadReason.number_out_of_range: "an integer does not fit 64 bits, or a number does not fit a double",
    DeadReason.lone_surrogate: "a string has half of a surrogate pair, which is no character",
    DeadReason.too_deep: "objects are nested deeper than 64 levels",
    DeadReason.not_an_object: "the event is not a JSON object",
    DeadReason.unsupported_content_type: "the content type is none that events come in",
    DeadReason.unsupported_specversion: "the CloudEvents version is not 1.0",
    DeadReason.missing_attribute: "a required attribute (id, source or type) is absent or empty",
    DeadReason.invalid_attribute: "an attribute has the wrong form",
    DeadReason.unknown_type: "the type is not in the catalogue",
    DeadReason.invalid_data: "the data does not fit the type's documented fields",
    DeadReason.missing_audience: "the event does not say whom to notify",
    DeadReason.invalid_withdrawal: "the withdrawal does not say what is withdrawn",
    DeadReason.render_failed: "a template could not be rendered with this data",
    DeadReason.unreadable: "the record batch cannot be decompressed or parsed",
    DeadReason.unprocessable: "processing it failed for a reason no retry can help",
}
