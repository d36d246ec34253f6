"""The records of the mode `ledger`, and the rows that it reads. The data of an event are passed on as they came."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

_TTL_MS = 86_400_000


class Event(msgspec.Struct):
    """An event as upstream services publish it."""

    id: str
    source: str
    type: str
    time: datetime
    data: msgspec.Raw
    account: str = ""
    external_id: str = ""
    project_id: str = ""


class Preference(msgspec.Struct):
    """A stored preference."""

    on: bool


class Contact(msgspec.Struct):
    """The fields of a contact's row that matter here."""

    uuid: str
    preferences: dict[str, Preference] = {}


class Group(msgspec.Struct):
    """The addresses of a group's row, by type."""

    addresses: dict[str, list[str]] = {}


class Delivery(msgspec.Struct, omit_defaults=True):
    """A record of a dispatch topic. `group`: the key of the row that lists the address."""

    id: str
    event_id: str
    source: str
    type: str
    channel: str
    recipient: str
    created_ms: int
    deadline_ms: int
    data: msgspec.Raw
    group: str = ""


class Outcome(msgspec.Struct, omit_defaults=True):
    """A record of the outcomes."""

    delivery: str
    event_id: str
    source: str
    type: str
    recipient: str
    channel: str
    state: str
    at_ms: int
    reason: str = ""


encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
decode_contact = msgspec.json.Decoder(Contact).decode
_decode_group = msgspec.json.Decoder(Group).decode
decode_delivery = msgspec.json.Decoder(Delivery).decode


def delivery_id(source: str, event_id: str, recipient: str, channel: str) -> str:
    """Return the id of a delivery: equal for repeated events."""
    return f"{source}:{event_id}:{recipient}:{channel}"


def group_key(event: Event) -> str:
    """Return the key of the row of an event's group."""
    return f"tocsin:{{g:{event.external_id}\x7f{event.project_id}}}:row"


def addresses_in(row: bytes | None) -> Mapping[str, Sequence[str]]:
    """Return the addresses of a group by type; none of one that does not exist or was deleted."""
    return {} if row is None or row.startswith(b"-") else _decode_group(row).addresses


def new_delivery(event: Event, channel: str, recipient: str, now_ms: int, group: str = "") -> Delivery:
    """Return the delivery of an event to a recipient; `group`: the key of the row that lists the address."""
    return Delivery(
        delivery_id(event.source, event.id, recipient, channel),
        event.id,
        event.source,
        event.type,
        channel,
        recipient,
        int(event.time.timestamp() * 1000),
        now_ms + _TTL_MS,
        event.data,
        group,
    )
