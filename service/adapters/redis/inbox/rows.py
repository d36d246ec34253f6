"""How an inbox entry is written: `CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON`; scripts need not parse the JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.ports import InboxItem


def entry_bytes(item: InboxItem) -> bytes:
    """An entry as Redis holds it; its id and recipient are in the keys."""
    about = f"{item.created_ms}\t{item.read_ms}\t{item.expires_ms}\t{item.type}\n"
    body = {"number": item.number, "meta": item.meta, "line": item.line, "event": item.event}
    return about.encode() + orjson.dumps(body, default=dict)


def item_of(recipient: str, item: bytes, entry: bytes) -> InboxItem:
    """An entry as it was written."""
    about, _, body = entry.partition(b"\n")
    created, read, expires, kind = about.decode().split("\t")
    rest: dict[str, Any] = orjson.loads(body)
    return InboxItem(
        id=item.decode(),
        recipient=recipient,
        type=kind,
        number=rest["number"],
        created_ms=int(created),
        meta=rest["meta"],
        line=rest["line"],
        event=rest["event"],
        expires_ms=int(expires),
        read_ms=int(read),
    )


def items_of(recipient: str, reply: Sequence[bytes]) -> list[InboxItem]:
    """The entries in a script's reply: id, entry, id, entry, …"""
    return [item_of(recipient, i, entry) for i, entry in zip(reply[::2], reply[1::2], strict=True)]


def unread_counts(reply: Sequence[bytes]) -> Mapping[str, int]:
    """The counts in a script's reply: type, count, type, count, …; what starts with @ is no type."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {kind.decode(): int(count) for kind, count in pairs if not kind.startswith(b"@")}
