"""The format of an inbox entry: `CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON`; scripts need not parse the JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.adapters.redis.unreadable_rows import readable
from service.ports import InboxItem
from service.ports.turns import Turns


def entry_bytes(item: InboxItem) -> bytes:
    """Return an entry as Redis stores it; its id and recipient are in the keys."""
    head = f"{item.created_ms}\t{item.read_ms}\t{item.expires_ms}\t{item.type}\n"
    body = {"number": item.number, "meta": item.meta, "line": item.line, "event": item.event}
    return head.encode() + orjson.dumps(body, default=dict)


def item_of(recipient: str, item: bytes, entry: bytes) -> InboxItem:
    """Return a stored entry."""
    head, _, body = entry.partition(b"\n")
    created, read, expires, type_ = head.decode().split("\t")
    fields: dict[str, Any] = orjson.loads(body)
    return InboxItem(
        id=item.decode(),
        recipient=recipient,
        type=type_,
        number=fields["number"],
        created_ms=int(created),
        meta=fields["meta"],
        line=fields["line"],
        event=fields["event"],
        expires_ms=int(expires),
        read_ms=int(read),
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
