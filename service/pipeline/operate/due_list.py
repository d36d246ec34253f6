"""What waits until a time: the deliveries of the due set, and the items of digests, which wait for their digest.

Deliveries by their id, recipient or event come from the ledger and its indexes, all others from the due set in the
order of its times. Items of digests are not in the due set: they are found by id, recipient or event only.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.model.delivery import Delivery
from service.model.holds.digest import is_digest
from service.model.ids import event_of_delivery, is_delivery_id, is_event_key
from service.model.ledger import Entry, State, is_open
from service.model.operation import pseudonym
from service.model.reasons import Reason
from service.pipeline.operate.digest_links import digest_id_of
from service.ports import DigestWindows, DueSet, Ledger, LedgerIndex

_CHUNK = 200
_MOST_READ = 20_000
"""Deliveries that are read for one page."""
_MOST_INDEXED = 100_000
_CURSOR = re.compile(r"(\d{1,16})\.([0-9a-f]{40})")
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DueFilter:
    """A choice of deliveries that wait; an empty set matches everything. Raise ValueError for what is no id.

    `events`: by key or id. `reasons`: of the newest step in the ledger.
    """

    ids: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for id_ in self.ids:
            if not is_delivery_id(id_):
                raise ValueError(f"{id_[:50]!r} is not the id of a delivery")

    @classmethod
    def of(cls, *values: Iterable[str] | None) -> "DueFilter":
        """Return the filter of some values, in the order of its fields; None and no values match everything."""
        return cls(*(frozenset(one or ()) for one in values))

    @property
    def is_empty(self) -> bool:
        """Return whether it matches everything that waits."""
        return self == DueFilter()

    def matches(self, row: "WaitingDelivery") -> bool:
        """Return whether the filter matches."""
        one = row.delivery
        return (
            (not self.ids or one.id in self.ids)
            and (not self.events or one.event in self.events or one.event_id in self.events)
            and (not self.recipients or one.recipient in self.recipients)
            and (not self.types or one.type in self.types)
            and (not self.reasons or row.reason in self.reasons)
        )

    def document(self) -> dict[str, Any]:
        """Return the filter for the operation log, with pseudonyms instead of recipients."""
        fields = {
            "ids": sorted(self.ids)[:100],
            "events": sorted(self.events),
            "recipients": sorted(map(pseudonym, self.recipients)),
            "types": sorted(self.types),
            "reasons": sorted(self.reasons),
        }
        return {name: values for name, values in fields.items() if values}


class WaitingDelivery(NamedTuple):
    """A delivery that waits. `state` is None for one that the ledger does not have.

    `due_ms`: when it is decided again; of an item, when its digest is. `digest`: the digest that an item is in.
    `items`: how many a digest has.
    """

    delivery: Delivery
    state: State | None
    reason: Reason
    due_ms: int
    digest: str = ""
    items: int = 0

    @property
    def until_ms(self) -> int:
        """Return until when it waits: it may be decided again before."""
        return self.delivery.until_ms(self.due_ms)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        one = self.delivery
        return {
            "delivery": one.id,
            "event": one.event,
            "event_id": one.event_id,
            "source": one.source,
            "type": one.type,
            "recipient": one.recipient,
            "channel": one.channel.value,
            "lane": one.lane.value,
            "state": self.state.value if self.state else None,
            "reason": self.reason.value,
            "until_ms": self.until_ms,
            **({"digest": self.digest} if self.digest else {}),
            **({"items": self.items} if self.items else {}),
        }


class DuePage(NamedTuple):
    """A page in the order of times. `next` is the cursor of the next page, or empty.

    A page may be short, even empty, and have a next one: one page reads 20,000 deliveries at most.
    """

    rows: list[WaitingDelivery]
    next: str


class DueList:
    """Reader of what waits. Every method raises Unavailable."""

    def __init__(self, due: DueSet, windows: DigestWindows, ledger: Ledger, index: LedgerIndex) -> None:
        self._due = due
        self._windows = windows
        self._ledger = ledger
        self._index = index

    async def page(self, chosen: DueFilter, limit: int, cursor: str = "") -> DuePage:
        """Return a page of what a filter matches. Raise ValueError for a cursor that is none of this list."""
        place = (0, "")
        if cursor:
            if (match := _CURSOR.fullmatch(cursor)) is None:
                raise ValueError("not a cursor of this list")
            place = int(match[1]), match[2]
        if not _is_indexed(chosen):
            return await self._page_of_due_set(chosen, limit, place)
        rows = [row async for chunk, _ in self.chunks(chosen) for row in chunk]
        rows = sorted((row for row in rows if _place(row) > place), key=_place)
        return DuePage(rows[:limit], _cursor(_place(rows[limit - 1])) if len(rows) > limit else "")

    async def chunks(
        self, chosen: DueFilter
    ) -> AsyncGenerator[tuple[list[WaitingDelivery], Counter[str]], None]:
        """Yield what a filter matches in parts, each with the states of those that do not wait, of chosen ids."""
        if not _is_indexed(chosen):
            place = (0, "")
            while page := await self._due.page(place, _CHUNK):
                rows = await self._of_due_set(page)
                yield await self._with_items([row for row in rows if chosen.matches(row)]), Counter()
                place = page[-1][0], page[-1][1].id
            return
        async for entries in self._entries(chosen):
            known = [entry for entry in entries if entry is not None]
            rows = await self._of_entries(known)
            others = Counter[str]()
            if chosen.ids:
                waiting = {row.delivery.id for row in rows}
                others.update(one.state for one in known if one.delivery not in waiting)
                others[_UNKNOWN] += len(entries) - len(known)
            yield await self._with_items([row for row in rows if chosen.matches(row)]), +others

    async def _page_of_due_set(self, chosen: DueFilter, limit: int, place: tuple[int, str]) -> DuePage:
        matching = list[WaitingDelivery]()
        for _ in range(_MOST_READ // _CHUNK):
            page = await self._due.page(place, _CHUNK)
            if not page:
                return DuePage(await self._with_items(matching), "")
            for row in await self._of_due_set(page):
                if chosen.matches(row):
                    matching.append(row)
                if len(matching) == limit:
                    return DuePage(await self._with_items(matching), _cursor(_place(row)))
            place = page[-1][0], page[-1][1].id
        return DuePage(await self._with_items(matching), _cursor(place))

    async def _entries(self, chosen: DueFilter) -> AsyncIterator[Sequence[Entry | None]]:
        """Yield the ledger's entries of the chosen ids, recipients or events in parts; None for an unknown id."""
        if chosen.ids:
            pairs = [(event_of_delivery(id_), id_) for id_ in sorted(chosen.ids)]
            for start in range(0, len(pairs), _CHUNK):
                yield await self._ledger.entries_of(pairs[start : start + _CHUNK])
        elif chosen.recipients:
            for recipient in sorted(chosen.recipients):
                pairs = [*await self._index.recipient_entries(recipient, 0, _MOST_INDEXED)]
                for start in range(0, len(pairs), _CHUNK):
                    yield await self._ledger.entries_of(pairs[start : start + _CHUNK])
        else:
            for key in await self._event_keys(chosen):
                part = list[Entry]()
                async for entry in self._ledger.entries(key):
                    part.append(entry)
                    if len(part) == _CHUNK:
                        yield part
                        part = []
                yield part

    async def _event_keys(self, chosen: DueFilter) -> Sequence[str]:
        keys = dict.fromkeys(filter(is_event_key, sorted(chosen.events)))
        for event in sorted(chosen.events):
            keys |= dict.fromkeys(await self._index.named(event))
        return list(keys)

    async def _of_due_set(self, page: Sequence[tuple[int, Delivery]]) -> list[WaitingDelivery]:
        """Return the rows of a page of the due set, without those that have ended."""
        entries = await self._ledger.entries_of([(one.event, one.id) for _, one in page])
        return [
            _row(one, entry, at_ms)
            for (at_ms, one), entry in zip(page, entries, strict=True)
            if _waits(entry)
        ]

    async def _of_entries(self, entries: Sequence[Entry]) -> list[WaitingDelivery]:
        """Return the rows of those that wait: in the due set, or in the window of a digest."""
        entries = [entry for entry in entries if _waits(entry)]
        ids = [entry.delivery for entry in entries]
        times, waiting = await self._due.times(ids), await self._due.waiting(ids)
        rows, items = list[WaitingDelivery](), dict[tuple[str, str], dict[str, Entry]]()
        for entry, at_ms, delivery in zip(entries, times, waiting, strict=True):
            if delivery is not None and at_ms is not None:
                rows.append(_row(delivery, entry, at_ms))
            elif digest := digest_id_of(entry):
                items.setdefault((entry.recipient, digest), {})[entry.delivery] = entry
        due_ms = await self._due.times([digest for _, digest in items])
        for (window, members), at_ms in zip(items.items(), due_ms, strict=True):
            # One after the other: a digest may have a mebibyte of items.
            (content,) = await self._windows.content([window])
            rows += [
                _row(one, members[one.id], at_ms or 0, window[1])
                for one in (content.items if content else ())
                if one.id in members
            ]
        return rows

    async def _with_items(self, rows: list[WaitingDelivery]) -> list[WaitingDelivery]:
        """Return rows with the number of items of those that are digests."""
        digests = [row.delivery for row in rows if is_digest(row.delivery)]
        sizes = await self._windows.sizes([(one.recipient, one.id) for one in digests]) if digests else []
        items = {one.id: size for one, size in zip(digests, sizes, strict=True)}
        return [row._replace(items=items.get(row.delivery.id, 0)) for row in rows]


def _is_indexed(chosen: DueFilter) -> bool:
    return bool(chosen.ids or chosen.recipients or chosen.events)


def _waits(entry: Entry | None) -> bool:
    """Return whether an entry may wait. One that a cancellation has ended is cancelled again: it was cut off."""
    return entry is None or is_open(entry.state) or entry.newest_step.reason is Reason.by_operator


def _row(delivery: Delivery, entry: Entry | None, due_ms: int, digest: str = "") -> WaitingDelivery:
    state, reason = (entry.state, entry.newest_step.reason) if entry else (None, Reason.none)
    return WaitingDelivery(delivery, state, reason, due_ms, digest)


def _place(row: WaitingDelivery) -> tuple[int, str]:
    return row.due_ms, row.delivery.id


def _cursor(place: tuple[int, str]) -> str:
    return f"{place[0]}.{place[1]}"
