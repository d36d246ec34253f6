"""The links between items and digests, both ways, and until when each waits; for explain."""

from collections.abc import Sequence
from typing import Any

from service.model.catalogue import DIGEST
from service.model.holds.digest import digest_id
from service.model.ids import event_of_delivery
from service.model.ledger import Entry, State
from service.ports import DigestWindows, DueSet, Ledger, LedgerIndex

_MOST_ITEMS = 1000
_LONGEST_WINDOW_MS = 10 * 86_400_000


class DigestLinks:
    """Reads which digest an item is in, and which items a digest has."""

    def __init__(self, ledger: Ledger, index: LedgerIndex, due: DueSet, windows: DigestWindows) -> None:
        self._ledger = ledger
        self._index = index
        self._due = due
        self._windows = windows

    async def until_ms(self, entries: Sequence[Entry]) -> list[int | None]:
        """Return until when each delivery waits (ms); an item of a digest waits as long as that. None: it does not."""
        ids = [digest_id_of(entry) or entry.delivery for entry in entries]
        times, waiting = await self._due.times(ids), await self._due.waiting(ids)
        return [
            None
            if entry.state is State.digested or at_ms is None
            else delivery.until_ms(at_ms)
            if delivery
            else at_ms
            for entry, at_ms, delivery in zip(entries, times, waiting, strict=True)
        ]

    async def of_items(self, entries: Sequence[Entry]) -> list[dict[str, Any] | None]:
        """Return the digest of each item as a document; None for a delivery that goes alone."""
        ids = list(dict.fromkeys(filter(None, map(digest_id_of, entries))))
        if not ids:
            return [None] * len(entries)
        found = await self._ledger.entries_of([(event_of_delivery(id_), id_) for id_ in ids])
        times = await self._due.times(ids)
        documents = {
            id_: _document(id_, entry, next_ms) for id_, entry, next_ms in zip(ids, found, times, strict=True)
        }
        return [documents.get(digest_id_of(entry)) for entry in entries]

    async def items_of(self, entry: Entry, event_type: str) -> list[dict[str, str]]:
        """Return the items of a digest, oldest first; empty for any other delivery. Raise Unavailable."""
        if event_type != DIGEST:
            return []
        (content,) = await self._windows.content([(entry.recipient, entry.delivery)])
        if content is not None:
            return [
                {"delivery": item.id, "event": item.event, "event_id": item.event_id, "type": item.type}
                for item in content.items
            ]
        since_ms = entry.steps[-1].at_ms - _LONGEST_WINDOW_MS
        pairs = await self._index.recipient_entries(entry.recipient, max(0, since_ms), _MOST_ITEMS)
        found = await self._ledger.entries_of(pairs)
        items = [one for one in found if one is not None and digest_id_of(one) == entry.delivery]
        return [
            {"delivery": one.delivery, "event": one.event}
            for one in sorted(items, key=lambda one: one.steps[-1].at_ms)
        ]


def digest_id_of(entry: Entry) -> str:
    """Return the delivery id of the digest that an item is in; empty for a delivery that goes alone."""
    return digest_id(entry.state, entry.newest_step.detail)


def _document(id_: str, entry: Entry | None, next_ms: int | None) -> dict[str, Any]:
    step = entry.newest_step if entry else None
    return {
        "delivery": id_,
        "event": event_of_delivery(id_),
        "state": step.state.value if step else "",
        "reason": step.reason.value if step else "",
        "reason_text": step.reason.text if step else "",
        "detail": step.detail if step else "",
        "at_ms": step.at_ms if step else 0,
        "next_ms": next_ms,
    }
