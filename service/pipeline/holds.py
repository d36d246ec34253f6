"""Storage of deliveries that are held until a time: in the due set, or in the window of a digest.

1. Put items of digests into their windows; the first item of a window opens it.
2. Add the digests that were opened to the due set, then enter them into the ledger.
3. Add the deliveries that go alone to the due set.

The caller writes the ledger's transitions after that. A delivery whose worker dies in between is read again, and meets
the same window and the same place in the due set. It may be decided otherwise by then: so the next item of a window
whose digest is in no due set completes the digest, too.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.model.catalogue import DIGEST_TYPE
from service.model.delivery import Delivery
from service.model.holds.digest import DigestItem, digest_of, window_key
from service.model.ids import event_of_delivery
from service.model.ledger import NewEntry, State, Transition, TransitionResult
from service.model.record import Message
from service.model.topics import TopicNames
from service.pipeline.from_log import event_of
from service.pipeline.messages import outcome_message
from service.pipeline.resolve.precedence import Decision
from service.ports import Clock, DigestWindows, DueSet, EventHead, Ledger

HOP_MS = 5 * 86_400_000
"""The longest time in the due set. Then a delivery is dispatched and held again, so that Kafka, which keeps its records
for ten days, still has one for a rebuild."""


class HeldDelivery(NamedTuple):
    """A delivery with the decision to hold it until a time."""

    delivery: Delivery
    decision: Decision


class StoredHolds(NamedTuple):
    """The decisions as they were stored, in order, and the outcomes of the digests that were opened.

    A decision on an item of a digest has the digest's id as its detail, and the time at which the digest goes.
    """

    decisions: Sequence[Decision]
    messages: Sequence[Message]


class Holds:
    """Stores deliveries that are held until a time."""

    def __init__(
        self, due: DueSet, windows: DigestWindows, ledger: Ledger, topics: TopicNames, clock: Clock
    ) -> None:
        self._due = due
        self._windows = windows
        self._ledger = ledger
        self._topics = topics
        self._clock = clock

    async def store(self, held: Sequence[HeldDelivery]) -> StoredHolds:
        """Store deliveries, each with the time until which it is held. Raise Unavailable."""
        decisions = [one.decision for one in held]
        together = [i for i, decision in enumerate(decisions) if decision.window]
        alone = [one for one in held if not one.decision.window]
        digests: dict[str, HeldDelivery] = {}
        if together:
            now_ms = self._clock.now_ms()
            places = await self._windows.add([_item(held[i], now_ms) for i in together])
            joined: dict[str, HeldDelivery] = {}
            for i, place in zip(together, places, strict=True):
                # A digest that comes late into the due set is decided again at once: choices may have changed since.
                due_ms = place.due_ms if place.opened_ms == now_ms else now_ms
                decisions[i] = decisions[i]._replace(detail=place.digest, until_ms=place.due_ms)
                own = decisions[i]._replace(detail=decisions[i].window, until_ms=due_ms)
                joined[place.digest] = HeldDelivery(held[i].delivery, own)
                if place.opened:
                    digest = digest_of(held[i].delivery, group_of(own), place.opened_ms)
                    digests[digest.id] = HeldDelivery(digest, own)
            left = await self._left({id_: one for id_, one in joined.items() if id_ not in digests})
            digests |= {one.delivery.id: one for one in left}
        messages = await self._open(list(digests.values())) if digests else []
        await add_to_due_set(self._due, alone, self._clock.now_ms())
        return StoredHolds(decisions, messages)

    async def _open(self, digests: Sequence[HeldDelivery]) -> list[Message]:
        """Enter digests into the due set and the ledger; return their outcomes.

        The opening item's record is not finished before that, so a window without its digest is completed when the
        record is read again.
        """
        current = await self._ledger.current([(one.delivery.event, one.delivery.id) for one in digests])
        # One that has been attempted is in the due set with its next attempt, which must not be replaced.
        new = [one for one, now in zip(digests, current, strict=True) if _is_unattempted(now)]
        # The due set first: a digest that only the ledger has would be held for ever.
        await add_to_due_set(self._due, new, self._clock.now_ms())
        heads = [EventHead(event_of(one.delivery), DIGEST_TYPE.kept_s) for one in digests]
        entries = [
            NewEntry.of_delivery(
                one.delivery,
                State.held,
                one.decision.reason,
                one.delivery.received_ms,
                one.decision.detail,
            )
            for one in digests
        ]
        await self._ledger.open(heads, entries)
        return [
            outcome_message(self._topics, one.delivery, _opening(one), next_ms=one.decision.until_ms)
            for one in digests
        ]

    async def _left(self, joined: Mapping[str, HeldDelivery]) -> list[HeldDelivery]:
        """Return the digests of open windows that no due set has: their worker died, or they are being dispatched.

        `joined`: an item of each by the digest's id. To add a digest once more that is being dispatched does no harm:
        its second record meets what the first one has made of it.
        """
        times = await self._due.times(list(joined)) if joined else ()
        missing = [digest for digest, due_ms in zip(joined, times, strict=True) if due_ms is None]
        if not missing:
            return []
        current = await self._ledger.current([(event_of_delivery(digest), digest) for digest in missing])
        left = [digest for digest, now in zip(missing, current, strict=True) if _is_unattempted(now)]
        contents = await self._windows.content([(joined[id_].delivery.recipient, id_) for id_ in left])
        digests: list[HeldDelivery] = []
        for id_, content in zip(left, contents, strict=True):
            decision = joined[id_].decision
            for item in content.items if content else ():
                digest = digest_of(item, group_of(decision), content.opened_ms if content else 0)
                if digest.id == id_:  # of the item that has opened it
                    digests.append(HeldDelivery(digest, decision))
        return digests


def _is_unattempted(now: TransitionResult) -> bool:
    """Return whether the ledger has no digest yet, or one that waits for its first attempt."""
    return now.state is None or (now.state is State.held and not now.attempt)


async def add_to_due_set(due: DueSet, held: Sequence[HeldDelivery], now_ms: int) -> None:
    """Store deliveries that go alone until they are decided again: at their time, or when they expire before that."""
    if held:
        await due.add(
            [one.delivery for one in held],
            [min(one.decision.until_ms, one.delivery.deadline_ms, now_ms + HOP_MS) for one in held],
            [State.held] * len(held),
            [one.decision.reason for one in held],
        )


def group_of(decision: Decision) -> str:
    """Return the group of the digest that a delivery is put into."""
    return decision.window.partition("|")[0]


def _item(held: HeldDelivery, now_ms: int) -> DigestItem:
    delivery, decision = held
    digest = digest_of(delivery, group_of(decision), now_ms)
    return DigestItem(delivery, window_key(delivery, decision.window), digest, decision.until_ms)


def _opening(held: HeldDelivery) -> Transition:
    """Return the step with which a digest enters the ledger."""
    digest = held.delivery
    return Transition(
        digest.event,
        digest.id,
        State.held,
        held.decision.reason,
        digest.received_ms,
        detail=held.decision.detail,
    )
