"""A pipeline under load: a publisher that notes what must arrive, workers that may die, a sink that counts all ids."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from service.dev.catcher import CaughtMail
from service.model.channels import Channel
from service.model.ids import event_key, event_of_delivery
from service.model.ledger import Entry, State, is_open
from service.model.recipient import Recipient
from service.ports import Unavailable
from tests.chaos.check import Arrived, CheckResult, Expected, compare
from tests.chaos.servers import Servers
from tests.support.ledger_rows import entries_of
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

RECIPIENTS = 40
SOURCE = "/chaos"
STAGES = "resolve,inbox,email,schedule"
CONNECTIONS = 4
"""Connections of a worker to its relay, as `RealPipeline` sets them."""
_CANARY = re.compile(r"lot ([a-z0-9-]+)")
_EVENTS_PER_READ = 100
_PUBLISH_TIMEOUT_S = 180.0
_MAIL_TIMEOUT_S = 240.0
_EVENTS_AT_FULL_RATE = 2_000
_DAY_S = 86_400.0
_QUIET_READS, _MOST_READS = 4, 15


def deliveries_in(mail: CaughtMail) -> list[tuple[str, str]]:
    """Return event and address of each delivery in a message: one, or the items of a digest."""
    canaries = _CANARY.findall(mail.subject) or _CANARY.findall(mail.content.text or "")
    return [(canary, mail.recipients[0]) for canary in canaries or ["?"]]


def _as_its_digest(entry: Entry, digests: Mapping[str, Entry]) -> Entry:
    """Return the entry of an item with the id and the history of its digest; held where the ledger has no digest."""
    if entry.state is not State.digested:
        return entry
    if (digest := digests.get(entry.newest_step.detail)) is None:
        return replace(entry, steps=(entry.newest_step._replace(state=State.held),))
    return replace(entry, delivery=digest.delivery, steps=digest.steps)


def ledger_differences(
    message_ids: Mapping[tuple[str, str], set[str]], entries_by_event: Mapping[str, Sequence[Entry]]
) -> int:
    """Count the deliveries that came in another message than the one that the ledger says, or in none."""
    arrived = {
        (event_id, message_id.partition("@")[0])
        for (event_id, _), ids in message_ids.items()
        if event_id in entries_by_event
        for message_id in ids
    }
    sent = {
        (event_id, entry.delivery)
        for event_id, entries in entries_by_event.items()
        for entry in entries
        if entry.channel == Channel.email and entry.state is State.sent
    }
    return len(arrived ^ sent)


class Killable(Protocol):
    """A worker process that can be killed."""

    def kill(self) -> None: ...

    def wait(self) -> Any: ...


class ChaosEnvironment:
    """Publishes events with a canary in each, and afterwards counts what arrived.

    `mail_bound` is the number of duplicate messages that the faults allow; each kill and each pause adds the
    deliveries that were claimed and not updated at that moment, and whose message the relay had. `claimed_count` counts
    the others too. `recipients` are those whose inboxes are counted. `note` goes into the results table.
    `older_revision` is the version that a rolling upgrade starts from.
    """

    def __init__(
        self,
        pipeline: RealPipeline,
        seed: int,
        servers: Servers,
        mail_bound: int = 0,
        older_revision: str = "",
    ) -> None:
        self.pipeline = pipeline
        self.servers = servers
        self.rng = random.Random(seed)
        self.seed = seed
        self.older_revision = older_revision
        self.expected = Expected()
        self.published: list[str] = []
        self.bad_record_bytes = 0
        self.bad_record_share = 0.01
        self.mail_bound = mail_bound
        self.note = ""
        self.recipients = [f"p{n}" for n in range(RECIPIENTS)]
        self.mails: Callable[[], Sequence[CaughtMail]] = pipeline.catcher.mails.newest_first
        self.mail_count: Callable[[], int] = lambda: pipeline.catcher.mails.received
        self.newest_first = True
        self.claimed_count = 0
        self.over_limit = 0
        self._ended_digests: dict[str, Entry] = {}
        self._unsettled: set[str] = set()
        self._claims: set[tuple[str, str, int]] = set()
        self._at_relay: set[tuple[str, str]] = set()
        self._mails_read = 0
        self._recovery: asyncio.Task[float] | None = None
        assert hasattr(pipeline.catcher.mails, "keep")
        pipeline.catcher.mails.keep = 1_000_000

    async def prepare(self, **fields: Any) -> None:
        """Write the recipients to Kafka and Redis, with more fields of their rows."""
        writer = self.pipeline.parts.table_writer(self.pipeline.producer)
        for name in self.recipients:
            row = Recipient(id=name, address=f"{name}@chaos.test", name=name.upper(), version=1, **fields)
            await writer.recipient(name, lambda _, row=row: row)  # type: ignore[misc]

    def expected_event(self, **fields: Any) -> dict[str, Any]:
        """Return an event for one to three recipients, all of whom must be notified."""
        event = self.unexpected_event(**fields)
        self.expected.mails |= {(event["id"], f"{name}@chaos.test") for name in event["recipients"]}
        self.expected.entries |= {(event["id"], name) for name in event["recipients"]}
        return event

    def unexpected_event(self, **fields: Any) -> dict[str, Any]:
        """Return an event for one to three recipients, none of whom may be notified. Its lot is its id."""
        event_id = f"c{self.seed}-{len(self.published)}"
        self.published.append(event_id)
        self._unsettled.add(event_id)
        numbers = self.rng.sample(range(RECIPIENTS), self.rng.randint(1, 3))
        names = [f"p{n}" for n in numbers]
        data = {"lot_id": event_id}
        return {
            "id": event_id,
            "source": SOURCE,
            "type": "winner",
            "recipients": names,
            "data": data,
            **fields,
        }

    async def publish_load(self, count: int, rate_per_s: float = 400.0, copies: int = 1) -> None:
        """Publish events at a fixed rate; with copies, each of them several times, in random order."""
        loop, sent = asyncio.get_running_loop(), 0
        started = loop.time()
        while sent < count:
            size = min(20, count - sent)
            events: list[Any] = [self.expected_event() for _ in range(size)] * copies
            self.rng.shuffle(events)
            if self.bad_record_bytes and self.rng.random() < self.bad_record_share * size:
                events.insert(self.rng.randrange(size), b'{"broken": ' + b"x" * self.bad_record_bytes)
            await self.publish(events)
            sent += size
            await asyncio.sleep(max(0.0, started + sent / rate_per_s - loop.time()))

    @asynccontextmanager
    async def continuous_load(self, rate_per_s: float = 30.0) -> AsyncIterator[None]:
        """Publish while the context lasts. The rate falls as events accumulate, so that checking them stays short."""
        over = asyncio.Event()

        async def publish() -> None:
            while not over.is_set():
                rate = rate_per_s / (1 + len(self.published) / _EVENTS_AT_FULL_RATE)
                await self.publish_load(max(1, round(rate / 5)), rate)

        task = asyncio.create_task(publish())
        try:
            yield
        except BaseException:
            task.cancel()
            raise
        over.set()
        await task

    async def publish(self, events: Sequence[Mapping[str, Any] | bytes]) -> None:
        """Publish as an upstream does: retry until Kafka has acknowledged them."""
        async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
            while True:
                try:
                    # Each batch has other keys than the one before: every partition gets events.
                    return await self.pipeline.publish(*events, first_key=len(self.published))
                except Unavailable:
                    await asyncio.sleep(0.2)

    async def wait_for_mail(self, count: int) -> None:
        """Wait until the sink has received `count` more messages."""
        target = self.mail_count() + count

        async def received() -> bool:
            return self.mail_count() >= target

        await eventually(received, _MAIL_TIMEOUT_S, lambda: f"{self.mail_count()} of {target} messages")

    async def kill(self, worker: Killable) -> None:
        """Kill a worker with SIGKILL, and count the duplicates that this allows."""
        worker.kill()
        worker.wait()
        await self.count_claims()

    async def count_claims(self, *, of_all: bool = False) -> None:
        """Raise the bound by the claims whose message the relay has and whose result is not stored.

        Only these may come twice. What was claimed and had not reached the relay may not; `of_all` counts it, too.
        """
        await self._wait_for_the_wire()
        self._read_mails()
        at_relay = {event_id for event_id, _ in self._at_relay}
        entries_by_event = await self._read_ledger(
            sorted(self._unsettled if of_all else self._unsettled & at_relay)
        )
        claims = {
            (event_id, entry.delivery, entry.newest_step.at_ms)
            for event_id, entries in entries_by_event.items()
            for entry in entries
            if entry.state is State.sending and (event_id, f"{entry.recipient}@chaos.test") in self._at_relay
        }
        self.claimed_count += sum(
            entry.state is State.sending for entries in entries_by_event.values() for entry in entries
        )
        self.mail_bound += len(claims - self._claims)
        self._claims |= claims

    async def _wait_for_the_wire(self) -> None:
        """Wait until the relay has read what a worker had written when it was killed or stopped."""
        unchanged, before = 0, -1
        for _ in range(_MOST_READS):
            unchanged = unchanged + 1 if self.mail_count() == before else 0
            if unchanged == _QUIET_READS:
                return
            before = self.mail_count()
            await asyncio.sleep(0.1)

    def _read_mails(self) -> None:
        """Note the event and address of each message that has come since the last call."""
        mails = self.mails()
        new = mails[: len(mails) - self._mails_read] if self.newest_first else mails[self._mails_read :]
        self._mails_read = len(mails)
        self._at_relay |= {delivery for mail in new for delivery in deliveries_in(mail)}

    def replace_ended_workers(self, **worker: Any) -> None:
        """Start a worker for each that has ended, with these arguments of `RealPipeline.start_worker`."""
        for ended in [w for w in self.pipeline.workers if w.poll() is not None]:
            self.pipeline.workers.remove(ended)
            self.pipeline.start_worker(**worker)

    def end_fault(self) -> None:
        """Note that the fault is over: measure from now until all events published so far are settled."""
        if self._recovery is not None:
            self._recovery.cancel()
        self._recovery = asyncio.create_task(self.wait_until_settled(list(self.published), _DAY_S))

    async def wait_for_recovery(self, timeout_s: float) -> float:
        """Return the seconds that `end_fault` measures. Raise AssertionError when the timeout comes first."""
        if self._recovery is None:
            self.end_fault()
        assert self._recovery is not None
        await asyncio.wait([self._recovery], timeout=timeout_s)
        if self._recovery.done():
            return self._recovery.result()
        self._recovery.cancel()
        return await self.wait_until_settled(self.published, 0)

    async def wait_until_settled(self, event_ids: Sequence[str], timeout_s: float) -> float:
        """Wait until these events have no open delivery; return the seconds that it took."""
        loop, pending = asyncio.get_running_loop(), list(event_ids)
        started = loop.time()

        async def settled() -> bool:
            nonlocal pending
            while pending:
                try:
                    read = await self._read_ledger(pending[:_EVENTS_PER_READ])
                except Unavailable:
                    return False
                unsettled = [event_id for event_id in read if event_id in self._unsettled]
                pending = unsettled + pending[_EVENTS_PER_READ:]
                if unsettled:
                    await asyncio.sleep(0.3)  # the sink is in this process too
                    return False
            return True

        await eventually(
            settled, timeout_s, lambda: f"{len(pending)} of {len(event_ids)} events are not settled"
        )
        return loop.time() - started

    async def mail_entries(self, event_ids: Sequence[str] | None = None) -> list[Entry]:
        """Return the ledger's entries of mail, of these events or of all; an item as its digest."""
        entries = await self._read_ledger(self.published if event_ids is None else event_ids)
        return [e for of_event in entries.values() for e in of_event if e.channel == Channel.email]

    async def wait_until_some_settled(self, event_ids: Sequence[str], count: int, timeout_s: float) -> None:
        """Wait until `count` of these events have no open delivery."""

        async def settled() -> bool:
            await self._read_ledger(event_ids)
            return len(self._unsettled.intersection(event_ids)) <= len(event_ids) - count

        await eventually(settled, timeout_s)

    async def _read_ledger(self, event_ids: Sequence[str]) -> dict[str, list[Entry]]:
        """Return the ledger's entries of events, and note the events that have no open delivery.

        An item of a digest has the id and the history of the digest: it arrives when the digest does.
        """
        entries_by_event: dict[str, list[Entry]] = {}
        for first in range(0, len(event_ids), _EVENTS_PER_READ):
            part = event_ids[first : first + _EVENTS_PER_READ]
            store = self.pipeline.parts.store
            read = await asyncio.gather(
                *(entries_of(store, event_key(SOURCE, event_id)) for event_id in part)
            )
            entries_by_event |= zip(part, await self._in_digests(read), strict=True)
        for event_id, entries in entries_by_event.items():
            if entries and not any(is_open(e.state) for e in entries):
                self._unsettled.discard(event_id)
        return entries_by_event

    async def _in_digests(self, entries_by_event: Sequence[Sequence[Entry]]) -> list[list[Entry]]:
        """Return entries, those of items with the id and the history of their digests."""
        ids = {
            entry.newest_step.detail
            for entries in entries_by_event
            for entry in entries
            if entry.state is State.digested
        }
        store, unknown = self.pipeline.parts.store, sorted(ids - set(self._ended_digests))
        read = await asyncio.gather(*(entries_of(store, event_of_delivery(id_)) for id_ in unknown))
        digests = {entry.delivery: entry for entries in read for entry in entries}
        self._ended_digests |= {id_: entry for id_, entry in digests.items() if not is_open(entry.state)}
        digests |= self._ended_digests
        return [[_as_its_digest(entry, digests) for entry in entries] for entries in entries_by_event]

    async def check(self) -> CheckResult:
        """Count what the sink and the inboxes hold, and compare it with what was published."""
        arrived = Arrived()
        message_ids: dict[tuple[str, str], set[str]] = {}
        for mail in self.mails():
            for delivery in deliveries_in(mail):
                arrived.mails[delivery] += 1
                message_ids.setdefault(delivery, set()).add(mail.message_id)
        arrived.message_ids = message_ids
        lengths: dict[str, int] = {}
        counts: dict[str, int] = {}
        for recipient in self.recipients:
            items = await self.pipeline.parts.inbox.unread(recipient)
            arrived.entries.update(Counter((str(i.meta["lot_id"]), recipient) for i in items))
            lengths[recipient] = len(items)
            counts[recipient] = sum((await self.pipeline.parts.inbox.counts(recipient)).values())
        arrived.unread_counts, arrived.unread_lists = counts, lengths
        entries_by_event = await self._read_ledger(self.published)
        arrived.open_deliveries = sum(is_open(e.state) for es in entries_by_event.values() for e in es)
        optional = {event_id for event_id, _ in self.expected.optional}
        arrived.ledger_differences = ledger_differences(
            message_ids, {e: entries for e, entries in entries_by_event.items() if e not in optional}
        )
        arrived.over_limit = self.over_limit
        return compare(self.expected, arrived)
