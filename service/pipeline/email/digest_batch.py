"""The digests of a batch: their items are rechecked, put together, claimed and finished.

1. Read the windows' items, recheck them, and decide until when each digest is held.
2. Seal the windows of those that are to be sent: later items open another one.
3. Before a digest is claimed, move its items to `digested` with the digest's id. That step of the ledger decides in
   which digest an item is; an item that was lost to another one, or was sent alone, makes the digest be rendered again.
4. When the digest is settled, publish the outcomes of its items; when it has ended, remove its window.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.holds.digest import digest_id
from service.model.ledger import HistoryStep, State, Transition, is_open
from service.model.reasons import Reason
from service.model.record import Message
from service.model.topics import TopicNames
from service.observability.metrics import observe_digest
from service.pipeline.email.recheck import RecheckedDelivery, readdressed
from service.pipeline.messages import outcome_message
from service.pipeline.resolve.precedence import Decision, hold_digest
from service.ports import Clock, DigestContent, DigestWindows, Ledger

Recheck = Callable[[Sequence[Delivery], Collection[str]], Awaitable[Sequence[RecheckedDelivery]]]
"""Rechecks items of digests, with the events of all of them."""

_CONCURRENT = 50
_SENT = frozenset({State.sent, State.returned, State.bounced})


class _EndedItem(NamedTuple):
    """An item that is not in its digest, with the decision that ends it."""

    item: Delivery
    decision: Decision


@dataclass(slots=True)
class _Digest:
    """A digest with its items. `claimed`: those that the ledger has as `digested` in it, and since when (ms)."""

    delivery: Delivery
    content_ids: Sequence[str] = ()
    opened_ms: int = 0
    items: list[RecheckedDelivery] = field(default_factory=list)
    ended: list[_EndedItem] = field(default_factory=list)
    claimed: dict[str, int] = field(default_factory=dict)

    def keep_claimed(self) -> None:
        """Keep the items that were claimed, whatever has become of them since: the message with them was sent."""
        kept = [one for one in self.ended if one.item.id in self.claimed]
        self.items += [RecheckedDelivery(one.item, one.decision) for one in kept]
        self.ended = [one for one in self.ended if one.item.id not in self.claimed]


class FinishedDigests(NamedTuple):
    """The outcomes of the items of digests, and what removes the windows of those that have ended."""

    messages: Sequence[Message]
    then: Callable[[], Awaitable[None]] | None = None


class DigestBatch:
    """The digests of one batch of the email stage."""

    def __init__(
        self,
        catalogue: Catalogue,
        windows: DigestWindows,
        ledger: Ledger,
        recheck: Recheck,
        *,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self._ledger = ledger
        self._recheck = recheck
        self._topics = topics
        self._clock = clock
        self._digests: dict[str, _Digest] = {}
        self._rendered: dict[str, list[str]] = {}

    def __contains__(self, delivery_id: object) -> bool:
        return delivery_id in self._digests

    async def look(self, digests: Sequence[Delivery], now_ms: int) -> list[RecheckedDelivery]:
        """Read the items of digests, and decide whether each is held or sent. Raise Unavailable."""
        if not digests:
            return []
        await self._read(digests)
        return [self._decided(self._digests[digest.id], now_ms) for digest in digests]

    async def seal(self, checked: Sequence[RecheckedDelivery], now_ms: int) -> list[RecheckedDelivery]:
        """Seal the windows of the digests that are not held, and decide again where items came meanwhile.

        Those that end unsent, too: an item that came after they were read would end with its window.
        """
        if not self._digests:
            return list(checked)
        going = [c for c in checked if c.delivery.id in self and c.decision.state is not State.held]
        if not going:
            return list(checked)
        sizes = await self._windows.seal([c.delivery for c in going])
        changed = {
            c.delivery.id: c.delivery
            for c, size in zip(going, sizes, strict=True)
            if size != len(self._digests[c.delivery.id].content_ids)
        }
        if not changed:
            return list(checked)
        await self._read(list(changed.values()))
        return [
            self._decided(self._digests[c.delivery.id], now_ms) if c.delivery.id in changed else c
            for c in checked
        ]

    def rendered(self, digest: str) -> list[Delivery]:
        """Return the items of a digest that is rendered now, oldest first."""
        items = [checked.delivery for checked in self._digests[digest].items]
        self._rendered[digest] = [item.id for item in items]
        return items

    def renders_alike(self, delivery_id: str) -> bool:
        """Return whether a delivery is no digest, or one whose items are those with which it was rendered."""
        if delivery_id not in self:
            return True
        return self._rendered.get(delivery_id) == [c.delivery.id for c in self._digests[delivery_id].items]

    def drop(self, digest: str, failed: Mapping[str, str]) -> None:
        """Leave items out whose template fails, with the reasons in words: they end as `dead`."""
        own = self._digests[digest]
        for checked in own.items:
            if (detail := failed.get(checked.delivery.id)) is not None:
                decision = Decision(State.dead, Reason.render_failed, detail)
                own.ended.append(_EndedItem(checked.delivery, decision))
        own.items = [checked for checked in own.items if checked.delivery.id not in failed]

    async def claim(self, ids: Iterable[str]) -> set[str]:
        """Move the items of digests to `digested`. Return the digests that have lost one. Raise Unavailable."""
        if not self._digests:
            return set()
        now_ms = self._clock.now_ms()
        moves = [
            (digest, _move(checked.delivery, digest, now_ms))
            for digest in ids
            if digest in self
            for checked in self._digests[digest].items
            if checked.delivery.id not in self._digests[digest].claimed
        ]
        results = await self._ledger.transition([move for _, move in moves]) if moves else ()
        lost: set[str] = set()
        for (digest, move), result in zip(moves, results, strict=True):
            if result.applied:
                self._digests[digest].claimed[move.delivery] = move.at_ms
            else:
                lost.add(digest)
        return lost

    def count_sent(self, ids: Iterable[str]) -> None:
        """Count the items of digests that a relay has accepted."""
        if not self._digests:
            return
        for digest in ids:
            if digest in self:
                observe_digest(len(self._digests[digest].items))

    async def finish(
        self,
        ids: Iterable[str],
        ends: Mapping[str, Transition] | None = None,
        settled: Collection[str] = (),
    ) -> FinishedDigests:
        """End the items that are in no digest, and return the outcomes of the others. Raise Unavailable.

        `ends`: the transitions that ended digests before they were sent; they end their items, too. `settled`: digests
        that were settled before this batch, so that what was sent with them is not what would be sent now.
        """
        ends = ends or {}
        digests = [digest for digest in ids if digest in self] if self._digests else []
        if not digests:
            return FinishedDigests(())
        now_ms = self._clock.now_ms()
        own = [self._digests[digest].delivery for digest in digests]
        states = await self._ledger.current([(one.event, one.id) for one in own])
        sent = {one.id for one, now in zip(own, states, strict=True) if now.state in _SENT}
        for digest in sent.intersection(settled):
            self._digests[digest].keep_claimed()
        ended = [
            (one.item, _transition(one.item, one.decision, now_ms))
            for digest in digests
            for one in self._left_out(digest, ends.get(digest))
        ]
        results = await self._ledger.transition([move for _, move in ended]) if ended else ()
        messages = [
            outcome_message(self._topics, item, move)
            for (item, move), result in zip(ended, results, strict=True)
            if result.applied or result.state is move.to
        ]
        await self._claim_lost(digests, sent, now_ms)
        messages += [message for digest in digests for message in self._digested(digest)]
        over = [
            (one.recipient, one.id)
            for one, now in zip(own, states, strict=True)
            if now.state is not None and not is_open(now.state)
        ]
        return FinishedDigests(messages, partial(self._windows.remove, over) if over else None)

    async def _claim_lost(self, digests: Sequence[str], sent: Collection[str], now_ms: int) -> None:
        """Move items to `digested` again of which Redis has lost that, by coming back with older data meanwhile.

        Also those of a digest that was sent before its record was read again: they were moved before it was claimed.
        """
        items = [
            (self._digests[digest], checked.delivery)
            for digest in digests
            for checked in self._digests[digest].items
            if digest in sent or checked.delivery.id in self._digests[digest].claimed
        ]
        steps = await self._ledger.newest_steps([(item.event, item.id) for _, item in items]) if items else ()
        lost = [
            (own, _move(item, own.delivery.id, own.claimed.get(item.id, now_ms)))
            for (own, item), step in zip(items, steps, strict=True)
            if step is not None and _has_lost_its_digest(own.delivery.id, step)
        ]
        results = await self._ledger.transition([move for _, move in lost]) if lost else ()
        for (own, move), result in zip(lost, results, strict=True):
            if result.applied:
                own.claimed[move.delivery] = move.at_ms

    async def _read(self, digests: Sequence[Delivery]) -> None:
        """Read and recheck the items of digests, and leave out those that the ledger has elsewhere."""
        contents = await self._windows.content([(d.recipient, d.id) for d in digests])
        items = [item for content in contents if content for item in content.items]
        events = frozenset(item.event for item in items)
        checked = await self._recheck(items, events) if items else ()
        steps = await self._ledger.newest_steps([(item.event, item.id) for item in items]) if items else ()
        withdrawn = await self._withdrawn(
            {
                item.event
                for item, step in zip(items, steps, strict=True)
                if step and step.state is State.digested
            }
        )
        known = iter(zip(checked, steps, strict=True))
        for digest, content in zip(digests, contents, strict=True):
            own = self._digests[digest.id] = _Digest(digest, _ids(content))
            own.opened_ms = content.opened_ms if content else digest.received_ms
            for _ in own.content_ids:
                _sort(own, *next(known), withdrawn=withdrawn)

    async def _withdrawn(self, events: Collection[str]) -> set[str]:
        """Return which of these events were withdrawn: the ledger has not ended items that are in a digest."""
        found, waiting = set[str](), list(events)
        for start in range(0, len(waiting), _CONCURRENT):
            part = waiting[start : start + _CONCURRENT]
            heads = await asyncio.gather(*map(self._ledger.head, part))
            found |= {
                event for event, head in zip(part, heads, strict=True) if head and "withdrawn_ms" in head
            }
        return found

    def _decided(self, own: _Digest, now_ms: int) -> RecheckedDelivery:
        digest = own.delivery
        first = own.items[0] if own.items else None
        if first is None or first.recipient is None:
            decision = Decision(State.skipped, Reason.empty_digest, _words(own.ended))
            return RecheckedDelivery(digest, decision)
        if digest.deadline_ms <= now_ms:
            decision = Decision(State.expired, Reason.past_deadline, f"deadline {digest.deadline_ms}")
            return RecheckedDelivery(digest, decision, first.recipient)
        parts = [(self._catalogue[one.delivery.type], one.recipient) for one in own.items if one.recipient]
        decision = hold_digest(digest, parts, own.opened_ms, now_ms) or Decision(
            State.queued, Reason.none, ""
        )
        return RecheckedDelivery(readdressed(digest, first.recipient), decision, first.recipient)

    def _left_out(self, digest: str, end: Transition | None) -> list[_EndedItem]:
        """Return the items that end otherwise; with the digest those that were not in it when it was last attempted."""
        own = self._digests[digest]
        if end is None:
            return own.ended
        unsent = [c.delivery for c in own.items if c.delivery.id not in own.claimed]
        decision = Decision(end.to, end.reason, end.detail)
        return [*own.ended, *(_EndedItem(item, decision) for item in unsent)]

    def _digested(self, digest: str) -> list[Message]:
        """Return the outcomes of the items that the ledger has in a digest."""
        own = self._digests[digest]
        return [
            outcome_message(
                self._topics,
                checked.delivery,
                _move(checked.delivery, digest, own.claimed[checked.delivery.id]),
            )
            for checked in own.items
            if checked.delivery.id in own.claimed
        ]


def _sort(
    own: _Digest, checked: RecheckedDelivery, step: HistoryStep | None, *, withdrawn: Collection[str]
) -> None:
    """Put an item into its digest, or leave it out. `step`: the newest one in the ledger."""
    item, decision = checked.delivery, checked.decision
    if step is None or not _is_in(own.delivery.id, step):
        return
    if step.state is State.digested:
        own.claimed[item.id] = step.at_ms
        if item.event in withdrawn:
            decision = Decision(State.withdrawn, Reason.withdrawn_by_source, "")
    if decision.state is State.queued:
        own.items.append(checked)
    else:
        own.ended.append(_EndedItem(item, decision))


def _ids(content: DigestContent | None) -> Sequence[str]:
    return tuple(item.id for item in content.items) if content else ()


def _is_in(digest: str, step: HistoryStep) -> bool:
    """Return whether this is the newest step of an item that is in a digest, or can be put into it."""
    if step.state is State.queued:
        return True
    return digest_id(step.state, step.detail) == digest


def _has_lost_its_digest(digest: str, step: HistoryStep) -> bool:
    """Return whether this is a step from before an item was moved into this digest, and no replay of it."""
    return _is_in(digest, step) and step.state is not State.digested and step.reason is not Reason.replayed


def _move(item: Delivery, digest: str, at_ms: int) -> Transition:
    return Transition(item.event, item.id, State.digested, Reason.none, at_ms, item.attempt, digest)


def _transition(item: Delivery, decision: Decision, at_ms: int) -> Transition:
    return Transition(
        item.event, item.id, decision.state, decision.reason, at_ms, item.attempt, decision.detail
    )


def _words(ended: Sequence[_EndedItem]) -> str:
    """Return why nothing is left of a digest, in words."""
    counts = Counter(one.decision.reason for one in ended)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
