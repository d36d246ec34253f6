"""Resolve: events become deliveries. Each recipient × channel enters the ledger, also where nothing is sent."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from service.model.catalogue import Catalogue, Channel, NotificationType
from service.model.delivery import Delivery, Found
from service.model.event import Event, InvalidEvent
from service.model.ids import delivery_id
from service.model.ledger import Reason, State
from service.model.outcome import Outcome
from service.model.recipient import preference_key
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline import ingest
from service.pipeline.audience import Candidate, candidates, channels, role_members, want
from service.pipeline.dead_letter import dead_letter
from service.pipeline.precedence import Verdict, decide
from service.ports import Clock, EventHead, Ledger, Opening, Supersedes, Tables, Wanted

CHUNK = 500
"""Deliveries that are entered, produced and held in memory at a time."""

WIDE = 1000
"""From so many recipients on an event's ledger is split."""


@dataclass(slots=True)
class _Job:
    """An event on its way, with those already found for it."""

    record: Record
    event: Event
    row: NotificationType
    wide: bool = False
    recipients: set[str] = field(default_factory=set)
    addresses: dict[str, Found] = field(default_factory=dict)


class Resolve:
    """The handler of the resolve stage."""

    def __init__(
        self,
        catalogue: Catalogue,
        tables: Tables,
        ledger: Ledger,
        supersedes: Supersedes,
        topics: TopicNames,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._tables = tables
        self._ledger = ledger
        self._supersedes = supersedes
        self._topics = topics
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Parse, look up, decide, enter, hand on. Raises Unavailable when tables or ledger are away."""
        jobs, repeats, refused = self._parse(records)
        if refused:
            yield Done([record for record, _ in refused], [message for _, message in refused])
        wanted = Wanted()
        for job in jobs:
            want(job.event, job.row, wanted)
        rows = await self._tables.lookup(wanted)
        chunk: list[tuple[_Job, Candidate | None]] = []
        finished: list[Record] = []
        for job in jobs:
            found = list(candidates(job.event, job.row, rows))
            pages = {r: rows.roles[r].cursor for r in wanted.roles if r in rows.roles and r in job.row.roles}
            job.wide = len(found) > WIDE or any(cursor is not None for cursor in pages.values())
            for candidate in found or (None,):
                chunk.append((job, candidate))
                if len(chunk) >= CHUNK:
                    yield Done(finished, await self._enter(chunk))
                    chunk, finished = [], []
            for role, cursor in pages.items():
                async for members in self._more(role, cursor):
                    yield Done(finished, await self._enter(chunk + [(job, c) for c in members]))
                    chunk, finished = [], []
            finished.append(job.record)
        yield Done(finished + repeats, await self._enter(chunk))

    def _parse(
        self, records: Sequence[Record]
    ) -> tuple[list[_Job], list[Record], list[tuple[Record, Message]]]:
        """Events to work on, records that repeat one of them, and dead letters."""
        jobs: dict[str, _Job] = {}
        repeats: list[Record] = []
        refused: list[tuple[Record, Message]] = []
        for record in records:
            try:
                event = ingest.parse(record.value, record.headers, self._catalogue, record.timestamp_ms)
            except InvalidEvent as error:
                refused.append((record, dead_letter(self._topics.dead_letter, "resolve", record, error)))
                continue
            if event.key in jobs:
                repeats.append(record)
            else:
                jobs[event.key] = _Job(record, event, self._catalogue[event.type])
        return list(jobs.values()), repeats, refused

    async def _more(self, role: str, cursor: str | None) -> AsyncIterator[Iterator[Candidate]]:
        while cursor is not None:
            page = await self._tables.role(role, cursor, CHUNK)
            yield role_members(role, page.members)
            cursor = page.cursor

    async def _enter(self, chunk: Sequence[tuple[_Job, Candidate | None]]) -> list[Message]:
        """Write a chunk to the ledger; the messages for what is to be delivered and for operators.

        An event that found nobody comes with None, so that the ledger can say so.
        """
        now = self._clock.now_ms()
        heads: dict[str, EventHead] = {}
        openings: list[Opening] = []
        deliveries: list[Delivery] = []
        for job, candidate in chunk:
            if job.event.key not in heads:
                heads[job.event.key] = self._head(job)
            if candidate is None or candidate.recipient in job.recipients:
                continue
            job.recipients.add(candidate.recipient)
            for channel in channels(job.row, candidate):
                delivery = _delivery(job, candidate, channel)
                verdict = _first_state(job, candidate, channel, delivery, now)
                deliveries.append(delivery)
                openings.append(
                    Opening(
                        event=delivery.event,
                        delivery=delivery.id,
                        recipient=delivery.recipient,
                        channel=channel.value,
                        state=verdict.state,
                        reason=verdict.reason,
                        at_ms=now,
                        detail=verdict.detail,
                    )
                )
        if not heads:
            return []
        replacing = [(d.supersede_key, d.event, d.created_ms) for d in deliveries if d.supersede]
        if replacing:
            await self._supersedes.supersede(replacing)
        states = await self._ledger.open(list(heads.values()), openings)
        return list(self._messages(deliveries, openings, states))

    def _head(self, job: _Job) -> EventHead:
        record = job.record
        position = f"{record.topic}:{record.partition}:{record.offset}"
        return EventHead(job.event, job.row.retention, job.wide, position)

    def _messages(
        self, deliveries: Sequence[Delivery], openings: Sequence[Opening], states: Sequence[State]
    ) -> Iterator[Message]:
        """What was entered before and has moved on since needs nothing more: its own stage told the rest."""
        for delivery, opening, state in zip(deliveries, openings, states, strict=True):
            if state is not opening.state and state is not State.withdrawn:
                continue
            key = delivery.recipient.encode()
            if state is State.queued:
                email = delivery.channel is Channel.email
                topic = self._topics.email(delivery.lane) if email else self._topics.inbox
                yield Message(topic, key, delivery.to_bytes())
            yield Message(self._topics.outcomes, key, _outcome(delivery, opening, state).to_bytes())


def _delivery(job: _Job, candidate: Candidate, channel: Channel) -> Delivery:
    event, row = job.event, job.row
    return Delivery(
        id=delivery_id(event.key, candidate.recipient, channel),
        event=event.key,
        event_id=event.id,
        source=event.source,
        type=event.type,
        channel=channel,
        recipient=candidate.recipient,
        found=candidate.found,
        scope=candidate.scope,
        seen=candidate.seen,
        created_ms=event.time_ms,
        received_ms=event.received_ms,
        deadline_ms=event.expires_ms or event.received_ms + row.ttl * 1000,
        address=candidate.address if channel is Channel.email else "",
        name=candidate.name,
        locale=candidate.locale,
        timezone=candidate.timezone,
        data=event.data,
        lane=row.lane,
        supersede=_supersede_key(row, event),
        traceparent=event.traceparent or "",
    )


def _supersede_key(row: NotificationType, event: Event) -> str:
    """What makes a later event of this type replace an earlier one, before the recipient is added."""
    if row.supersede is None:
        return ""
    known = dict.fromkeys(row.meta, "") | {name: str(value) for name, value in event.data.items()}
    return f"{row.name}|{row.supersede.format_map(known)}"


def _first_state(
    job: _Job, candidate: Candidate, channel: Channel, delivery: Delivery, now_ms: int
) -> Verdict:
    """The verdict on one recipient × channel: what rules it out first, then who wins."""
    if not candidate.known:
        return Verdict(State.skipped, Reason.no_such_recipient, "not in the recipients table")
    if job.event.actor == candidate.recipient and not job.row.notify_actor:
        return Verdict(State.skipped, Reason.own_action, "the recipient did this")
    if channel is Channel.email:
        if not candidate.address:
            return Verdict(State.skipped, Reason.no_address, "the recipient has no address")
        first = job.addresses.setdefault(candidate.address.lower(), candidate.found)
        if first is not candidate.found:
            return Verdict(State.skipped, Reason.duplicate_address, f"already found by {first}")
    if delivery.deadline_ms <= now_ms:
        return Verdict(State.expired, Reason.past_deadline, f"deadline {delivery.deadline_ms}")
    choice = candidate.preferences.get(preference_key(job.row.name, channel))
    return decide(job.row, channel, choice=choice, listed=candidate.found is Found.group)


def _outcome(delivery: Delivery, opening: Opening, state: State) -> Outcome:
    withdrawn = state is State.withdrawn and opening.state is not State.withdrawn
    return Outcome(
        delivery=delivery.id,
        event=delivery.event,
        type=delivery.type,
        recipient=delivery.recipient,
        channel=delivery.channel.value,
        state=state,
        at_ms=opening.at_ms,
        reason=Reason.withdrawn_by_source if withdrawn else opening.reason,
        detail=f"{delivery.found} {delivery.scope}: {opening.detail}" if delivery.scope else opening.detail,
        event_id=delivery.event_id,
        source=delivery.source,
    )
