"""A line under load: a producer that keeps books, workers that may die, a sink that counts every id."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from service.adapters.redis.ledger.rows import entry_of
from service.dev.catcher import CaughtMail
from service.model.ids import event_key
from service.model.ledger import Entry, State, is_open
from service.model.recipient import Recipient
from service.ports import Unavailable
from tests.chaos.servers import Servers
from tests.chaos.verdict import Arrived, Expected, Verdict, judge
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

PEOPLE = 40
SOURCE = "/chaos"
STAGES = "resolve,inbox,email,schedule"
CONNECTIONS = 4
"""Of a worker to its relay, as the line sets it."""
_CANARY = re.compile(r"lot ([a-z0-9-]+)")
_AT_ONCE = 100
_PUBLISH_SECONDS = 180.0
_PATIENCE_SECONDS = 240.0
_MANY = 2_000
_FOREVER = 86_400.0


class Killable(Protocol):
    """A worker process, or what stands for one."""

    def kill(self) -> None: ...

    def wait(self) -> Any: ...


class World:
    """Publishes events with canaries in them, and afterwards counts what arrived where.

    `mail_bound` grows with each kill, by the mails that were claimed and unmarked just then. `note` goes into the
    table. `older` names the revision that stands for the version before.
    """

    def __init__(
        self, line: RealPipeline, seed: int, servers: Servers, mail_bound: int = 0, older: str = ""
    ) -> None:
        self.line = line
        self.servers = servers
        self.rng = random.Random(seed)
        self.seed = seed
        self.older = older
        self.expected = Expected()
        self.published: list[str] = []
        self.poison = 0
        self.poison_share = 0.01
        self.mail_bound = mail_bound
        self.note = ""
        self.mails: Callable[[], Sequence[CaughtMail]] = line.catcher.mails.newest_first
        self.received: Callable[[], int] = lambda: line.catcher.mails.received
        self._unsettled: set[str] = set()
        self._claims: set[tuple[str, int]] = set()
        self._recovery: asyncio.Task[float] | None = None
        line.catcher.mails.keep = 1_000_000

    async def prepare(self) -> None:
        """People to notify, in Kafka and in Redis."""
        writer = self.line.parts.table_writer(self.line.producer)
        for name in (f"p{n}" for n in range(PEOPLE)):
            row = Recipient(id=name, address=f"{name}@chaos.test", name=name.upper(), version=1)
            await writer.recipient(name, lambda _, row=row: row)  # type: ignore[misc]

    def event(self, **more: Any) -> dict[str, Any]:
        """An event for one to three people, with its own lot."""
        event = self.unexpected(**more)
        self.expected.mails |= {(event["id"], f"{name}@chaos.test") for name in event["recipients"]}
        self.expected.entries |= {(event["id"], name) for name in event["recipients"]}
        return event

    def unexpected(self, **more: Any) -> dict[str, Any]:
        """The same, of which nobody should hear."""
        event_id = f"c{self.seed}-{len(self.published)}"
        self.published.append(event_id)
        self._unsettled.add(event_id)
        people = self.rng.sample(range(PEOPLE), self.rng.randint(1, 3))
        names = [f"p{n}" for n in people]
        data = {"lot_id": event_id}
        return {"id": event_id, "source": SOURCE, "type": "winner", "recipients": names, "data": data, **more}

    async def load(self, count: int, per_second: float = 400.0, copies: int = 1) -> None:
        """Publish at a fixed rate; with copies each event comes several times, in any order."""
        loop, sent = asyncio.get_running_loop(), 0
        started = loop.time()
        while sent < count:
            size = min(20, count - sent)
            events: list[Any] = [self.event() for _ in range(size)] * copies
            self.rng.shuffle(events)
            if self.poison and self.rng.random() < self.poison_share * size:
                events.insert(self.rng.randrange(size), b'{"broken": ' + b"x" * self.poison)
            await self.publish(events)
            sent += size
            await asyncio.sleep(max(0.0, started + sent / per_second - loop.time()))

    @asynccontextmanager
    async def flow(self, per_second: float = 30.0) -> AsyncIterator[None]:
        """Publish at a fixed rate for as long as the context lasts; where that is long, ever more slowly."""
        over = asyncio.Event()

        async def publish() -> None:
            while not over.is_set():
                rate = per_second / (1 + len(self.published) / _MANY)
                await self.load(max(1, round(rate / 5)), rate)

        task = asyncio.create_task(publish())
        try:
            yield
        except BaseException:
            task.cancel()
            raise
        over.set()
        await task

    async def publish(self, events: Sequence[Mapping[str, Any] | bytes]) -> None:
        """As an upstream does: again and again until Kafka has acknowledged them."""
        async with asyncio.timeout(_PUBLISH_SECONDS):
            while True:
                try:
                    return await self.line.publish(*events)
                except Unavailable:
                    await asyncio.sleep(0.2)

    async def mailed(self, more: int) -> None:
        """Wait for so many mails more than there are now."""
        wanted = self.received() + more

        async def caught() -> bool:
            return self.received() >= wanted

        await eventually(caught, _PATIENCE_SECONDS, lambda: f"{self.received()} of {wanted} mails")

    async def kill(self, worker: Killable) -> None:
        """SIGKILL, and count what that may double."""
        worker.kill()
        worker.wait()
        await self.count_claims()

    async def count_claims(self) -> None:
        """After a kill: what was claimed and not marked may come once more, and nothing else may."""
        looked = await self._look(sorted(self._unsettled))
        entries = [entry for entries in looked.values() for entry in entries]
        claims = {(e.delivery, e.steps[0].at_ms) for e in entries if e.state is State.sending}
        self.mail_bound += len(claims - self._claims)
        self._claims |= claims

    def restart_all(self, **worker: Any) -> None:
        """A new worker for each that has ended, started as `RealPipeline.start_worker` is told."""
        for ended in [w for w in self.line.workers if w.poll() is not None]:
            self.line.workers.remove(ended)
            self.line.start_worker(**worker)

    def healed(self) -> None:
        """The fault is over. From here counts how long it takes until all that was published before is settled."""
        if self._recovery is not None:
            self._recovery.cancel()
        self._recovery = asyncio.create_task(self.settled(list(self.published), _FOREVER))

    async def recovered(self, seconds: float) -> float:
        """What `healed` counts, waiting for no longer than this. Raises AssertionError when it is not settled then."""
        if self._recovery is None:
            self.healed()
        assert self._recovery is not None
        await asyncio.wait([self._recovery], timeout=seconds)
        if self._recovery.done():
            return self._recovery.result()
        self._recovery.cancel()
        return await self.settled(self.published, 0)

    async def settled(self, event_ids: Sequence[str], seconds: float) -> float:
        """Wait until these events have nothing open; how long that took."""
        loop, waiting = asyncio.get_running_loop(), list(event_ids)
        started = loop.time()

        async def done() -> bool:
            nonlocal waiting
            while waiting:
                try:
                    looked = await self._look(waiting[:_AT_ONCE])
                except Unavailable:
                    return False
                still = [event_id for event_id in looked if event_id in self._unsettled]
                waiting = still + waiting[_AT_ONCE:]
                if still:
                    await asyncio.sleep(0.3)  # the sink is in this process too
                    return False
            return True

        await eventually(done, seconds, lambda: f"{len(waiting)} of {len(event_ids)} events are not settled")
        return loop.time() - started

    async def settled_of(self, event_ids: Sequence[str], enough: int, seconds: float) -> None:
        """Wait until so many of these events have nothing open."""

        async def done() -> bool:
            await self._look(event_ids)
            return len(self._unsettled.intersection(event_ids)) <= len(event_ids) - enough

        await eventually(done, seconds)

    async def _look(self, event_ids: Sequence[str]) -> dict[str, list[Entry]]:
        """What the ledger says of events; remembers those that have nothing open."""
        found: dict[str, list[Entry]] = {}
        for first in range(0, len(event_ids), _AT_ONCE):
            some = event_ids[first : first + _AT_ONCE]
            keys = [event_key(SOURCE, event_id) for event_id in some]
            store = self.line.parts.store
            hashes = await store.pipeline([("HGETALL", store.keys.event(key)) for key in keys])
            for event_id, key, rows in zip(some, keys, hashes, strict=True):
                found[event_id] = [entry_of(key, n.decode(), r) for n, r in rows.items() if n[:1] != b"@"]
        for event_id, entries in found.items():
            if entries and not any(is_open(e.state) for e in entries):
                self._unsettled.discard(event_id)
        return found

    async def verdict(self) -> Verdict:
        """Count what the sink and the inboxes hold."""
        arrived = Arrived()
        for mail in self.mails():
            found = _CANARY.search(mail.subject) or _CANARY.search(mail.content.text or "")
            arrived.mails[found[1] if found else "?", mail.recipients[0]] += 1
        lengths: dict[str, int] = {}
        counts: dict[str, int] = {}
        for person in (f"p{n}" for n in range(PEOPLE)):
            items = await self.line.parts.inbox.unread(person)
            arrived.entries.update(Counter((str(i.meta["lot_id"]), person) for i in items))
            lengths[person] = len(items)
            counts[person] = sum((await self.line.parts.inbox.counts(person)).values())
        arrived.unread_counts, arrived.unread_lists = counts, lengths
        looked = await self._look(self.published)
        arrived.open_deliveries = sum(is_open(e.state) for entries in looked.values() for e in entries)
        return judge(self.expected, arrived)
