"""The part of a rebuild that fills the due set and the windows of digests, once all histories are complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.holds.digest import digest_id, digest_of, window_key
from service.model.ids import event_of_delivery
from service.model.ledger import Entry, State, is_open
from service.model.reasons import Reason
from service.pipeline.holds import HOP_MS
from service.ports import Clock, DigestWindows, DueSet, Ledger, PendingRetries


class RestoredDelivery(NamedTuple):
    """A delivery with its entry in the ledger; `lost`: its stage has finished its record, and it is not closed."""

    delivery: Delivery
    entry: Entry
    lost: bool


@dataclass(frozen=True, slots=True)
class DueRestorer:
    """Puts deliveries back where they wait. Times (ms) come from `notes`; where none is noted, it is now."""

    due: DueSet
    windows: DigestWindows
    ledger: Ledger
    notes: PendingRetries
    clock: Clock

    async def restore(self, deliveries: Sequence[RestoredDelivery]) -> None:
        """Restore the places of deliveries of any state. Raise Unavailable."""
        together, alone = list[RestoredDelivery](), list[RestoredDelivery]()
        for one in deliveries:
            in_digest = digest_id(one.entry.state, one.entry.newest_step.detail)
            (together if in_digest else alone).append(one)
        await self._restore_alone(alone)
        if together:
            await self._restore_items(together)

    async def _restore_alone(self, deliveries: Sequence[RestoredDelivery]) -> None:
        waiting = [one for one in deliveries if one.entry.waits]
        noted = await self._noted([one.entry for one in waiting])
        now_ms = self.clock.now_ms()
        await self._add(waiting, noted)
        if lost := [one.delivery for one in deliveries if one.lost and not one.entry.waits]:
            await self.due.add(lost, [now_ms] * len(lost), [State.deferred] * len(lost))
        for one in deliveries:
            if one.entry.state is State.held and not one.entry.waits:
                await self.due.hold([one.delivery], one.entry.newest_step.at_ms)

    async def _add(self, waiting: Sequence[RestoredDelivery], due_ms: Sequence[int]) -> None:
        if not waiting:
            return
        hop_ms = self.clock.now_ms() + HOP_MS
        await self.due.add(
            [_as_held(one, at_ms) for one, at_ms in zip(waiting, due_ms, strict=True)],
            [min(at_ms, hop_ms) for at_ms in due_ms],
            [one.entry.state for one in waiting],
            [one.entry.newest_step.reason for one in waiting],
        )

    async def _restore_items(self, items: Sequence[RestoredDelivery]) -> None:
        """Put items back into the windows of their digests, and the digests into the due set."""
        ids = [one.entry.newest_step.detail for one in items]
        unique = list(dict.fromkeys(ids))
        entries = await self.ledger.entries_of([(event_of_delivery(id_), id_) for id_ in unique])
        digests = dict(zip(unique, entries, strict=True))
        now_ms, alone = self.clock.now_ms(), list[RestoredDelivery]()
        by_digest: dict[str, list[RestoredDelivery]] = {}
        for one, id_ in zip(items, ids, strict=True):
            entry = digests[id_]
            if entry is not None and is_open(entry.state):
                by_digest.setdefault(id_, []).append(one)
            elif one.entry.state is State.held:
                # Its digest is lost, or has ended without it: it is decided again, and opens another one.
                alone.append(one._replace(delivery=one.delivery.replace(replayed_ms=now_ms)))
        await self._add(alone, [now_ms] * len(alone))
        open_entries = [entry for id_ in by_digest if (entry := digests[id_]) is not None]
        for entry, due_ms in zip(open_entries, await self._noted(open_entries), strict=True):
            await self._restore_window(entry, by_digest[entry.delivery], due_ms)

    async def _restore_window(self, entry: Entry, items: Sequence[RestoredDelivery], due_ms: int) -> None:
        opening = entry.steps[-1]
        group, frequency = opening.detail.split("|") if "|" in opening.detail else (opening.detail, "")
        first = items[0].delivery
        head = await self.ledger.head(entry.event) or {}
        digest = digest_of(first, group, opening.at_ms).replace(
            id=entry.delivery,
            event=entry.event,
            event_id=str(head.get("id", "")),
            attempt=entry.newest_step.attempt,
        )
        is_held = entry.state is State.held and not entry.newest_step.attempt
        window = window_key(first, f"{group}|{frequency}")
        await self.windows.restore(digest, window, [one.delivery for one in items], due_ms if is_held else 0)
        if entry.waits:
            await self._add([RestoredDelivery(digest, entry, lost=False)], [due_ms])

    async def _noted(self, entries: Sequence[Entry]) -> list[int]:
        now_ms = self.clock.now_ms()
        noted = await self.notes.noted([(one.delivery, one.newest_step.attempt) for one in entries])
        return [now_ms if at_ms is None else at_ms for at_ms in noted]


def _as_held(one: RestoredDelivery, due_ms: int) -> Delivery:
    """Return the delivery as it waits: with the attempts made, and the time that an operator has set."""
    step = one.entry.newest_step
    again = one.delivery.replace(attempt=step.attempt)
    return again.replace(retimed_ms=due_ms) if step.reason is Reason.retimed else again
