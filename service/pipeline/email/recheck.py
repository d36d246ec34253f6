"""The last look before sending: what has changed since resolve is decided anew, by the same rules."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from service.model.catalogue import AudienceRule, Catalogue
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id
from service.model.keys import ContactKey, GroupKey
from service.model.ledger import State
from service.model.reasons import Reason
from service.model.recipient import preference_key
from service.model.unsubscribe import key_of
from service.pipeline.resolve.audience import Candidate, from_contact, from_recipient, group_members
from service.pipeline.resolve.precedence import Decision, decide
from service.ports import Inbox, LookupKeys, MailBlock, Rows, SupersedeIndex, Tables

_NO_BAR = MailBlock()


class RecheckedDelivery(NamedTuple):
    """A delivery as it must be sent now, and the verdict on it."""

    delivery: Delivery
    verdict: Decision


async def recheck(
    deliveries: Sequence[Delivery],
    catalogue: Catalogue,
    tables: Tables,
    supersedes: SupersedeIndex,
    inbox: Inbox,
    *,
    now_ms: int,
) -> list[RecheckedDelivery]:
    """Look up the rows of a batch once and judge each delivery. Raises Unavailable."""
    rows = await tables.lookup(_wanted(deliveries))
    current = [_current(delivery, rows) for delivery in deliveries]
    bars = await _bars(deliveries, current, catalogue, tables)
    read = await _were_read(deliveries, catalogue, inbox)
    keys = [d.supersede_key for d in deliveries]
    asked = sorted({key for key in keys if key})
    newest = dict(zip(asked, await supersedes.newest(asked) if asked else (), strict=True))
    return [
        _judge(
            delivery,
            candidate,
            bar,
            read=delivery.id in read,
            newest=newest.get(key),
            catalogue=catalogue,
            now_ms=now_ms,
        )
        for delivery, candidate, bar, key in zip(deliveries, current, bars, keys, strict=True)
    ]


async def _bars(
    deliveries: Sequence[Delivery],
    current: Sequence[Candidate | None],
    catalogue: Catalogue,
    tables: Tables,
) -> list[MailBlock]:
    """What bars each delivery; nothing bars a mandatory type, so nobody is asked."""
    bars = [_NO_BAR] * len(deliveries)
    asked = [
        (place, candidate.address, key_of(delivery))
        for place, (delivery, candidate) in enumerate(zip(deliveries, current, strict=True))
        if candidate is not None and not catalogue[delivery.type].mandatory
    ]
    if asked:
        found = await tables.blocks([(address, key) for _, address, key in asked])
        for (place, _, _), bar in zip(asked, found, strict=True):
            bars[place] = bar
    return bars


async def _were_read(deliveries: Sequence[Delivery], catalogue: Catalogue, inbox: Inbox) -> set[str]:
    """The deliveries whose recipient has read the same in the inbox, of the types that say so."""
    asked = [
        d
        for d in deliveries
        if (row := catalogue[d.type]).skip_email_if_read
        and not row.mandatory
        and Channel.inbox in row.channels
    ]
    if not asked:
        return set()
    entries = [(d.recipient, delivery_id(d.event, d.recipient, Channel.inbox)) for d in asked]
    return {d.id for d, read in zip(asked, await inbox.were_read(entries), strict=True) if read}


def _wanted(deliveries: Iterable[Delivery]) -> LookupKeys:
    wanted = LookupKeys()
    for delivery in deliveries:
        if delivery.rule is AudienceRule.group:
            wanted.groups.add(GroupKey.parse(delivery.matched))
        elif delivery.rule is AudienceRule.account:
            wanted.contacts.add(ContactKey(delivery.matched, delivery.recipient))
        else:
            wanted.recipients.add(delivery.recipient)
    return wanted


def _current(delivery: Delivery, rows: Rows) -> Candidate | None:
    """The recipient as the tables have it now; None when it is there no more."""
    if delivery.rule is AudienceRule.group:
        members = group_members(GroupKey.parse(delivery.matched), delivery.type, rows)
        return next((m for m in members if m.recipient == delivery.recipient), None)
    if delivery.rule is AudienceRule.account:
        contact = rows.contacts.get(ContactKey(delivery.matched, delivery.recipient))
        return from_contact(contact) if contact else None
    row = rows.recipients.get(delivery.recipient)
    return from_recipient(row, delivery.recipient, delivery.rule, delivery.matched) if row else None


def _judge(
    delivery: Delivery,
    candidate: Candidate | None,
    bar: MailBlock,
    *,
    read: bool,
    newest: str | None,
    catalogue: Catalogue,
    now_ms: int,
) -> RecheckedDelivery:
    if delivery.deadline_ms <= now_ms:
        return RecheckedDelivery(
            delivery, Decision(State.expired, Reason.past_deadline, f"deadline {delivery.deadline_ms}")
        )
    if newest and newest != delivery.event:
        return RecheckedDelivery(
            delivery, Decision(State.superseded, Reason.newer_event, f"by event {newest}")
        )
    if read:
        return RecheckedDelivery(delivery, Decision(State.skipped, Reason.already_read, "read in the inbox"))
    if candidate is None:
        reason = Reason.not_in_group if delivery.rule is AudienceRule.group else Reason.no_such_recipient
        return RecheckedDelivery(delivery, Decision(State.skipped, reason, "no longer in the table"))
    if not candidate.address:
        return RecheckedDelivery(
            delivery, Decision(State.skipped, Reason.no_address, "the recipient has no address")
        )
    row = catalogue[delivery.type]
    verdict = decide(
        row,
        delivery.channel,
        choice=candidate.preferences.get(preference_key(row.name, delivery.channel)),
        suppressed=bar.suppression if bar.suppression and bar.suppression.stands(now_ms) else None,
        unsubscribed=bar.unsubscribed,
        listed=delivery.rule is AudienceRule.group,
    )
    changed = delivery.model_copy(
        update={
            "address": candidate.address,
            "name": candidate.name,
            "locale": candidate.locale,
            "timezone": candidate.timezone,
            "row_version": candidate.row_version,
        }
    )
    return RecheckedDelivery(changed if candidate.row_version != delivery.row_version else delivery, verdict)
