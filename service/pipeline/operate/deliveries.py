"""Deliveries by state, type, recipient, channel, relay, reason and time, newest first.

A person's deliveries come from the ledger's index by recipient, all others from `dispatch.outcomes`, read backwards: a
list needs no index of its own in Redis. The ledger then says which outcome is a delivery's latest, so that each is
listed once. What has no outcome yet is on the dispatch topics.
"""

import re
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.ids import event_of_delivery, is_delivery_id
from service.model.ledger import Entry, State, is_open
from service.model.outcome import Outcome
from service.model.record import Record
from service.model.topics import TopicNames
from service.model.validators import MAX_TIME_MS
from service.pipeline.operate.cursors import cursor_of, positions_in
from service.pipeline.operate.outcome_filter import OutcomeFilter
from service.ports import Ledger, LedgerIndex, OutcomeLog, Positions, RecordLog

_REPLY = re.compile(r"(\S+) (\d{3}(?: .*)?)")
_UNREPORTED = frozenset({State.queued, State.sending})
"""The states that have no outcome: a dispatch record says so itself, and a claim is known to the ledger alone."""
_MOST_READ = 50_000
"""Records that are read for one page: 0.4 s of CPU."""
_MOST_INDEXED = 2000
_CHUNK = 200
_LATE_MS = 60_000
"""An outcome has the time of the worker's clock, and comes into Kafka later: after an outage, a minute and more."""


class DeliveryPage(NamedTuple):
    """A page of deliveries by their latest outcomes, newest first. `next` is the cursor of the next page, or empty.

    A page may be short, even empty, and have a next one: one page reads 50,000 records at most. All that is newer than
    `searched_to_ms` has been searched.
    """

    deliveries: list[Outcome]
    next: str
    searched_to_ms: int


class DeliverySearch:
    """Search of deliveries. Every method raises Unavailable."""

    def __init__(
        self, log: RecordLog, ledger: Ledger, index: LedgerIndex, outcomes: OutcomeLog, topics: TopicNames
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._index = index
        self._outcomes = outcomes
        self._topics = topics

    async def page(self, chosen: OutcomeFilter, limit: int, cursor: str = "") -> DeliveryPage:
        """Return a page of the deliveries that match. Raise ValueError for a cursor that is none of this list."""
        if chosen.recipients:
            return await self._of_recipients(chosen, limit, cursor)
        return await self._of_log(chosen, limit, cursor)

    async def _of_recipients(self, chosen: OutcomeFilter, limit: int, cursor: str) -> DeliveryPage:
        """Return a page of the deliveries of some recipients, by the times at which they were made."""
        if cursor and not is_delivery_id(cursor):
            raise ValueError("not a cursor of this list")
        pairs = [
            pair
            for recipient in sorted(chosen.recipients)
            for pair in await self._index.recipient_entries(recipient, 0, _MOST_INDEXED)
        ]
        entries: list[Entry] = []
        for start in range(0, len(pairs), _CHUNK):
            found = await self._ledger.entries_of(pairs[start : start + _CHUNK])
            entries += (one for one in found if one is not None)
        entries.sort(key=lambda one: (one.steps[-1].at_ms, one.delivery), reverse=True)
        if cursor:
            places = [n for n, one in enumerate(entries) if one.delivery == cursor]
            entries = entries[places[0] + 1 :] if places else []
        deliveries: list[Outcome] = []
        for n, entry in enumerate(entries):
            if chosen.matches(outcome := await self._outcome_of(entry)):
                deliveries.append(outcome)
                if len(deliveries) == limit and n + 1 < len(entries):
                    return DeliveryPage(deliveries, entry.delivery, entry.steps[-1].at_ms)
        return DeliveryPage(deliveries, "", 0)

    async def _outcome_of(self, entry: Entry) -> Outcome:
        """Return the latest outcome of an entry, with the relay and its reply where they are known."""
        outcome = Outcome.of_entry(entry, await self._ledger.head(entry.event) or {})
        if outcome.state is State.sent and entry.channel == "email":
            sent = (entry.delivery, outcome.at_ms)
            accepted = (await self._outcomes.acceptances([sent])).get(sent)
            return outcome.replace(relay=accepted.relay, reply=accepted.reply) if accepted else outcome
        if reply := _REPLY.fullmatch(outcome.detail):
            return outcome.replace(relay=reply[1], reply=reply[2])
        return outcome

    async def _of_log(self, chosen: OutcomeFilter, limit: int, cursor: str) -> DeliveryPage:
        """Return a page of the deliveries whose latest records match."""
        topics = [self._topics.outcomes]
        if not chosen.states or chosen.states & _UNREPORTED:
            topics += sorted(self._topics.dispatches())
        positions = dict(
            positions_in(cursor, frozenset(topics)) if cursor else await self._start(topics, chosen.until_ms)
        )
        found: dict[str, Outcome] = {}
        waiting: list[Outcome | Delivery] = []
        read = 0
        async with aclosing(self._log.newest(positions)) as records:
            async for record in records:
                if record.timestamp_ms < chosen.since_ms:
                    break
                if read == _MOST_READ:
                    await self._add_latest(waiting, chosen, found)
                    return DeliveryPage(list(found.values()), cursor_of(positions), record.timestamp_ms)
                read += 1
                positions[record.topic, record.partition] = record.offset
                if (candidate := self._candidate(record, chosen)) is not None:
                    waiting.append(candidate)
                if waiting and len(found) + len(waiting) == limit:
                    await self._add_latest(waiting, chosen, found)
                    waiting = []
                if len(found) == limit:
                    return DeliveryPage(list(found.values()), cursor_of(positions), record.timestamp_ms)
        await self._add_latest(waiting, chosen, found)
        return DeliveryPage(list(found.values()), "", chosen.since_ms)

    async def _start(self, topics: Sequence[str], until_ms: int) -> Positions:
        return await self._log.ends(topics, until_ms + _LATE_MS if until_ms < MAX_TIME_MS else None)

    def _candidate(self, record: Record, chosen: OutcomeFilter) -> Outcome | Delivery | None:
        """Return the outcome or the dispatched delivery in a record, if it may match."""
        try:
            if record.topic == self._topics.outcomes:
                outcome = Outcome.from_bytes(record.value or b"")
                return outcome if chosen.matches(outcome) else None
            delivery = Delivery.from_bytes(record.value)
        except ValueError:  # a read mark, or what another program wrote
            return None
        return delivery if chosen.matches_delivery(_dispatched(delivery)) else None

    async def _add_latest(
        self, candidates: Sequence[Outcome | Delivery], chosen: OutcomeFilter, found: dict[str, Outcome]
    ) -> None:
        """Add the candidates that are their deliveries' latest records, and match."""
        pairs = [(event_of_delivery(id_), id_) for id_ in map(_id_of, candidates)]
        entries = await self._ledger.entries_of(pairs) if pairs else []
        for candidate, entry in zip(candidates, entries, strict=True):
            latest = _latest(candidate, entry)
            if latest is not None and chosen.matches(latest):
                found.setdefault(latest.delivery, latest)


def _id_of(candidate: Outcome | Delivery) -> str:
    return candidate.delivery if isinstance(candidate, Outcome) else candidate.id


def _latest(candidate: Outcome | Delivery, entry: Entry | None) -> Outcome | None:
    """Return the candidate as an outcome if the ledger agrees that nothing has come after it.

    The ledger forgets a delivery after its retention: then the newest record that is a final outcome is its latest.
    """
    if isinstance(candidate, Outcome):
        if entry is None:
            return None if is_open(candidate.state) else candidate
        step = entry.newest_step
        return candidate if (step.state, step.at_ms) == (candidate.state, candidate.at_ms) else None
    if entry is None or entry.state not in _UNREPORTED:
        return None
    step = entry.newest_step
    if step.attempt not in (candidate.attempt, candidate.attempt + 1):
        return None  # another record of the same delivery is the latest
    return _dispatched(candidate).replace(
        state=step.state, at_ms=step.at_ms, reason=step.reason, attempt=step.attempt, detail=step.detail
    )


def _dispatched(delivery: Delivery) -> Outcome:
    """Return a dispatched delivery as the outcome that it stands for."""
    return Outcome(
        delivery.id,
        delivery.event,
        delivery.type,
        delivery.recipient,
        delivery.channel,
        State.queued,
        delivery.queued_ms or delivery.received_ms,
        attempt=delivery.attempt,
        detail=delivery.decided,
        event_id=delivery.event_id,
        source=delivery.source,
        rule=delivery.rule,
        matched=delivery.matched,
        received_ms=delivery.received_ms,
    )
