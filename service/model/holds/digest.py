"""Digests: deliveries of one recipient that are sent in one message.

A digest is a delivery of its own, of the type `digest`, with its own event, so that everything that can happen to a
message happens to it in the same way. Its items are the deliveries that it stands for; the ledger says of each of them
in which digest it is, by the step `digested` with the digest's id.
"""

from typing import NamedTuple

from service.model.catalogue import DIGEST, DIGEST_TYPE, AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.model.ids import delivery_id, event_key, is_delivery_id
from service.model.ledger import State

_HOUR_MS = 3_600_000
_IN_DIGEST = frozenset({State.held, State.digested})
DIGEST_SOURCE = "tocsin/digest"
"""The source of the events of digests."""


class DigestItem(NamedTuple):
    """A delivery that is put into the open window of its recipient and group, or opens it.

    `window`: recipient, group, and where the recipient's row is. `digest`: the delivery of the digest that the item
    opens if no window is open. `due_ms`: when the window closes then.
    """

    delivery: Delivery
    window: str
    digest: Delivery
    due_ms: int


def window_key(delivery: Delivery, window: str) -> str:
    """Return which items of a recipient can be in one digest.

    They are of one group and frequency, which are `window`, and of one lane, and the recipient's row is in one table:
    contacts and addresses in groups are found by the account or the group that they belong to.
    """
    in_recipients = delivery.rule in {AudienceRule.users, AudienceRule.role}
    return f"{window}|{delivery.lane}|{'' if in_recipients else f'{delivery.rule}|{delivery.matched}'}"


def digest_of(first: Delivery, group: str, opened_ms: int = 0) -> Delivery:
    """Return the delivery of the digest that an item opens at a time (ms), with the same id for the same item.

    An item that is sent again opens another one. The digest expires shortly before the ledger forgets it.
    """
    event_id = f"{first.id}-{first.replayed_ms}" if first.replayed_ms else first.id
    event = event_key(DIGEST_SOURCE, event_id)
    return Delivery(
        id=delivery_id(event, first.recipient, Channel.email),
        event=event,
        event_id=event_id,
        source=DIGEST_SOURCE,
        type=DIGEST,
        channel=Channel.email,
        recipient=first.recipient,
        rule=first.rule,
        matched=first.matched,
        created_ms=opened_ms,
        received_ms=opened_ms,
        deadline_ms=opened_ms + DIGEST_TYPE.kept_s * 1000 - _HOUR_MS,
        row_version=first.row_version,
        address=first.address,
        name=first.name,
        locale=first.locale,
        timezone=first.timezone,
        document=json_document({"group": group}),
        lane=first.lane,
    )


def digest_id(state: State, detail: str) -> str:
    """Return the digest that an item is in by its newest step; empty for a delivery that goes alone."""
    return detail if state in _IN_DIGEST and is_delivery_id(detail) else ""


def is_digest(delivery: Delivery) -> bool:
    """Return whether a delivery is a digest."""
    return delivery.type == DIGEST
