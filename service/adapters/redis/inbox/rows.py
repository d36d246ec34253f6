"""The format of an inbox entry: `CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON`; scripts need not parse the JSON.

The JSON is a list: number, meta, line, the event's key, the brand's key. The last is left out for the default brand,
and the event's key then too, where the entry's id begins with it. An entry's id is stored as its 20 bytes, and any
other text behind a tilde: no delivery's id begins with one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.adapters.redis.unreadable_rows import readable
from service.model.ids import event_of_delivery, is_delivery_id
from service.ports import InboxItem
from service.ports.turns import Turns

_OTHER = b"~"


def id_bytes(item: str) -> bytes:
    """Return the id of an entry as Redis stores it."""
    return bytes.fromhex(item) if is_delivery_id(item) else _OTHER + item.encode(errors="surrogatepass")


def id_of(stored: bytes) -> str:
    """Return the id of an entry from what is stored."""
    return stored[1:].decode(errors="surrogatepass") if stored.startswith(_OTHER) else stored.hex()


def entry_bytes(item: InboxItem) -> bytes:
    """Return an entry as Redis stores it; its id and recipient are in the keys."""
    head = f"{item.created_ms}\t{item.read_ms}\t{item.expires_ms}\t{item.type}\n"
    body: list[object] = [item.number, item.meta, item.line]
    if item.brand:
        body += (item.event, item.brand)
    elif item.event != event_of_delivery(item.id):
        body.append(item.event)
    return head.encode() + orjson.dumps(body, default=dict)


def item_of(recipient: str, stored_id: bytes, entry: bytes) -> InboxItem:
    """Return a stored entry."""
    head, _, body = entry.partition(b"\n")
    created, read, expires, type_ = head.decode().split("\t")
    fields: list[Any] = [*orjson.loads(body), None, None]
    number, meta, line, event, brand = fields[:5]
    item = id_of(stored_id)
    return InboxItem(
        id=item,
        recipient=recipient,
        type=type_,
        number=number,
        created_ms=int(created),
        meta=meta,
        line=line,
        event=event_of_delivery(item) if event is None else event,
        expires_ms=int(expires),
        read_ms=int(read),
        brand=brand or "",
    )


async def items_of(recipient: str, reply: Sequence[bytes]) -> list[InboxItem]:
    """Return the entries in a script's reply: id, entry, id, entry, …; without those that cannot be read.

    Between large ones, other tasks run.
    """
    turns, items = Turns(), list[InboxItem]()
    for i, entry in zip(reply[::2], reply[1::2], strict=True):
        if (item := readable_item(recipient, i, entry)) is not None:
            items.append(item)
        await turns.worked(len(entry))
    return items


def readable_item(recipient: str, item: bytes, entry: bytes) -> InboxItem | None:
    """Return a stored entry; None for one that cannot be read."""
    return readable("inbox", lambda row: item_of(recipient, item, row), entry)


def unread_counts(reply: Sequence[bytes]) -> Mapping[str, int]:
    """Return the counts in a script's reply: type, count, type, count, …; a name that starts with @ is no type."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {type_.decode(): int(count) for type_, count in pairs if not type_.startswith(b"@")}
