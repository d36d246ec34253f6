"""The recheck right before a claim: what may have changed since resolve is looked up and decided again.

1. Look up the rows of the batch, then what blocks its addresses, in one pipeline each.
2. Look up which inbox entries were read, and the newest event of each supersede key.
3. Decide each delivery by the same precedence as resolve, and then until when it is held.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from service.model.blocks.unsubscribe import unsubscribe_key_of
from service.model.catalogue import AudienceRule, Catalogue, NotificationType
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id
from service.model.keys import ContactKey, GroupKey
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import preference_key
from service.model.validators import MAX_TIME_MS
from service.pipeline.resolve.audience import Candidate, from_contact, from_recipient, group_members
from service.pipeline.resolve.precedence import Decision, decide, hold
from service.ports import Inbox, LookupKeys, MailBlock, Rows, SupersedeIndex, Tables

_NO_BLOCK = MailBlock()


class RecheckedDelivery(NamedTuple):
    """A delivery with the current address and name of its recipient, the decision on it, and the recipient.

    `recipient` None: the tables no longer have it.
    """

    delivery: Delivery
    decision: Decision
    recipient: Candidate | None = None


async def recheck(
    deliveries: Sequence[Delivery],
    catalogue: Catalogue,
    tables: Tables,
    supersedes: SupersedeIndex,
    inbox: Inbox,
    *,
    now_ms: int,
    together: Collection[str] | None = None,
) -> list[RecheckedDelivery]:
    """Look up the rows of a batch once and decide each delivery. Raise Unavailable.

    `together`: the events of items of digests, which the deliveries are then. Items are held no longer, expire only
    when their event says so, and an event of a digest does not supersede an item of it that has the same line.
    """
    rows = await tables.lookup(_lookup_keys(deliveries))
    recipients = [_current_recipient(delivery, rows) for delivery in deliveries]
    blocks = await _blocks(deliveries, recipients, catalogue, tables)
    read = await _read_in_inbox(deliveries, catalogue, inbox, all_types=together is not None)
    supersede_keys = [delivery.supersede_key for delivery in deliveries]
    keys = sorted({key for key in supersede_keys if key})
    newest = dict(zip(keys, await supersedes.newest(keys) if keys else (), strict=True))
    checked: list[RecheckedDelivery] = []
    for delivery, recipient, block, key in zip(deliveries, recipients, blocks, supersede_keys, strict=True):
        notification_type = catalogue[delivery.type]
        newer, deadline_ms = newest.get(key), delivery.deadline_ms
        if together is not None:
            deadline_ms = delivery.expires_ms or MAX_TIME_MS
            if newer in together and notification_type.digest and notification_type.digest.key:
                newer = None
        decided = _decide(
            delivery,
            recipient,
            block,
            read=delivery.id in read,
            newest=newer,
            notification_type=notification_type,
            now_ms=now_ms,
            deadline_ms=deadline_ms,
        )
        if recipient and decided.decision.state is State.queued and together is None:
            held = hold(decided.delivery, notification_type, recipient, now_ms)
            decided = decided._replace(decision=held) if held else decided
        checked.append(decided)
    return checked


async def with_changed_rows(checked: Sequence[RecheckedDelivery], tables: Tables) -> list[RecheckedDelivery]:
    """Return those whose recipient has changed since they were rechecked. Raise Unavailable.

    What a group lists has no times of its own.
    """
    own = [one for one in checked if one.delivery.rule is not AudienceRule.group]
    rows = await tables.lookup(_lookup_keys([one.delivery for one in own]))
    return [one for one in own if _current_recipient(one.delivery, rows) != one.recipient]


async def _blocks(
    deliveries: Sequence[Delivery],
    recipients: Sequence[Candidate | None],
    catalogue: Catalogue,
    tables: Tables,
) -> list[MailBlock]:
    """Return what blocks each delivery. Mandatory types are never blocked, so they are not looked up."""
    blocks = [_NO_BLOCK] * len(deliveries)
    queries = [
        (place, recipient.address, unsubscribe_key_of(delivery))
        for place, (delivery, recipient) in enumerate(zip(deliveries, recipients, strict=True))
        if recipient is not None and not catalogue[delivery.type].mandatory
    ]
    if queries:
        stored = await tables.blocks([(address, key) for _, address, key in queries])
        for (place, _, _), block in zip(queries, stored, strict=True):
            blocks[place] = block
    return blocks


async def _read_in_inbox(
    deliveries: Sequence[Delivery], catalogue: Catalogue, inbox: Inbox, *, all_types: bool
) -> set[str]:
    """Return the ids of deliveries whose recipient has read the inbox entry, for types that then send no mail.

    In a digest that is every type: nothing is new in what has been read.
    """
    skippable = [
        delivery
        for delivery in deliveries
        if ((notification_type := catalogue[delivery.type]).skips_read or all_types)
        and not notification_type.mandatory
        and Channel.inbox in notification_type.channels
    ]
    if not skippable:
        return set()
    entries = [(d.recipient, delivery_id(d.event, d.recipient, Channel.inbox)) for d in skippable]
    were_read = await inbox.were_read(entries)
    return {delivery.id for delivery, read in zip(skippable, were_read, strict=True) if read}


def _lookup_keys(deliveries: Iterable[Delivery]) -> LookupKeys:
    keys = LookupKeys()
    for delivery in deliveries:
        if delivery.rule is AudienceRule.group:
            keys.groups.add(GroupKey.parse(delivery.matched))
        elif delivery.rule is AudienceRule.account:
            keys.contacts.add(ContactKey(delivery.matched, delivery.recipient))
        else:
            keys.recipients.add(delivery.recipient)
    return keys


def _current_recipient(delivery: Delivery, rows: Rows) -> Candidate | None:
    """Return the recipient as the tables have it now; None where they no longer have it."""
    if delivery.rule is AudienceRule.group:
        members = group_members(GroupKey.parse(delivery.matched), delivery.type, rows)
        return next((m for m in members if m.recipient == delivery.recipient), None)
    if delivery.rule is AudienceRule.account:
        contact = rows.contacts.get(ContactKey(delivery.matched, delivery.recipient))
        return from_contact(contact, rows.quiet_hours.get(delivery.matched)) if contact else None
    row = rows.recipients.get(delivery.recipient)
    return from_recipient(row, delivery.recipient, delivery.rule, delivery.matched) if row else None


def _decide(
    delivery: Delivery,
    recipient: Candidate | None,
    block: MailBlock,
    *,
    read: bool,
    newest: str | None,
    notification_type: NotificationType,
    now_ms: int,
    deadline_ms: int,
) -> RecheckedDelivery:
    if deadline_ms <= now_ms:
        return RecheckedDelivery(
            delivery, Decision(State.expired, Reason.past_deadline, f"deadline {deadline_ms}")
        )
    if newest and newest != delivery.event:
        return RecheckedDelivery(
            delivery, Decision(State.superseded, Reason.newer_event, f"by event {newest}")
        )
    if read:
        return RecheckedDelivery(delivery, Decision(State.skipped, Reason.already_read, "read in the inbox"))
    if recipient is None:
        reason = Reason.not_in_group if delivery.rule is AudienceRule.group else Reason.no_such_recipient
        return RecheckedDelivery(delivery, Decision(State.skipped, reason, "no longer in the table"))
    if not recipient.address:
        return RecheckedDelivery(
            delivery, Decision(State.skipped, Reason.no_address, "the recipient has no address")
        )
    suppression = block.suppression
    decision = decide(
        notification_type,
        delivery.channel,
        choice=recipient.preferences.get(preference_key(notification_type.name, delivery.channel)),
        suppressed=suppression if suppression and suppression.in_force(now_ms) else None,
        unsubscribed=block.unsubscribed,
        listed=delivery.rule is AudienceRule.group,
    )
    if recipient.row_version != delivery.row_version:
        delivery = readdressed(delivery, recipient)
    return RecheckedDelivery(delivery, decision, recipient)


def readdressed(delivery: Delivery, recipient: Candidate) -> Delivery:
    """Return a delivery with what its recipient's row has now."""
    return delivery.replace(
        address=recipient.address,
        name=recipient.name,
        locale=recipient.locale,
        timezone=recipient.timezone,
        row_version=recipient.row_version,
    )
