"""A line under load: a producer that keeps books, workers that may die, a sink that counts every id."""

import asyncio
import random
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.dev.kafka import EmbeddedKafka
from service.dev.valkey import EmbeddedValkey
from service.model.ledger import is_open
from service.model.recipient import Recipient
from tests.chaos.verdict import Arrived, Expected, Verdict, judge
from tests.line import Line, eventually

PEOPLE = 40
SOURCE = "/chaos"
CONNECTIONS = 4
_CANARY = re.compile(rb"lot ([a-z0-9-]+)")


@dataclass(frozen=True)
class Report:
    """One row of the table."""

    name: str
    ref: str
    seed: int
    events: int
    verdict: Verdict
    mail_bound: int
    recovery_s: float
    error: str = ""

    @property
    def faults(self) -> list[str]:
        """What is not as promised; a scenario that could not be played to its end is not, either."""
        return [self.error] if self.error else self.verdict.faults(self.mail_bound)


class World:
    """Publishes events with canaries in them, and afterwards counts what arrived where."""

    def __init__(
        self,
        line: Line,
        seed: int,
        kafka: EmbeddedKafka | None = None,
        valkey: EmbeddedValkey | None = None,
    ) -> None:
        self.line = line
        self.kafka = kafka
        self.valkey = valkey
        self.rng = random.Random(seed)
        self.seed = seed
        self.expected = Expected()
        self.published: list[str] = []
        self.poison = 0

    async def prepare(self) -> None:
        """People to notify."""
        await self.line.parts.writes.put_recipients(
            [
                Recipient(id=f"p{n}", address=f"p{n}@chaos.test", name=f"P {n}", version=1)
                for n in range(PEOPLE)
            ]
        )

    def event(self) -> dict[str, Any]:
        """An event for one to three people, with its own lot."""
        event_id = f"c{self.seed}-{len(self.published)}"
        people = self.rng.sample(range(PEOPLE), self.rng.randint(1, 3))
        self.published.append(event_id)
        self.expected.mails |= {(event_id, f"p{n}@chaos.test") for n in people}
        self.expected.entries |= {(event_id, f"p{n}") for n in people}
        names = [f"p{n}" for n in people]
        return {
            "id": event_id, "source": SOURCE, "type": "winner", "recipients": names, "data": {"lot_id": event_id},
        }  # fmt: skip

    async def load(self, count: int, per_second: float = 400.0, copies: int = 1) -> None:
        """Publish at a fixed rate; with copies each event comes several times, in any order."""
        loop, started, sent = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0
        while sent < count:
            size = min(20, count - sent)
            events: list[Any] = [self.event() for _ in range(size)] * copies
            self.rng.shuffle(events)
            if self.poison:
                events.insert(self.rng.randrange(size), b'{"broken": ' + b"x" * self.poison)
            await self.line.publish(*events)
            sent += size
            await asyncio.sleep(max(0.0, started + sent / per_second - loop.time()))

    async def settled(self, seconds: float) -> float:
        """Wait until every published event has nothing open; how long that took."""
        loop, started = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        waiting = list(self.published)

        async def done() -> bool:
            while waiting:
                entries = await self.line.entries(SOURCE, waiting[-1])
                if not entries or any(is_open(e.state) for e in entries):
                    waiting.insert(0, waiting.pop())
                    return False
                waiting.pop()
            return True

        await eventually(
            done, seconds, lambda: f"{len(waiting)} of {len(self.published)} events are not settled"
        )
        return loop.time() - started

    async def verdict(self) -> Verdict:
        """Count what the sink and the inboxes hold."""
        arrived = Arrived()
        for mail in self.line.catcher.mails.newest_first():
            found = _CANARY.search(mail.subject.encode()) or _CANARY.search(
                (mail.content.text or "").encode()
            )
            arrived.mails[found[1].decode() if found else "?", mail.recipients[0]] += 1
        lengths: dict[str, int] = {}
        counts: dict[str, int] = {}
        for person in (f"p{n}" for n in range(PEOPLE)):
            items = await self.line.parts.inbox.unread(person)
            arrived.entries.update(Counter((str(i.meta["lot_id"]), person) for i in items))
            lengths[person] = len(items)
            counts[person] = sum((await self.line.parts.inbox.counts(person)).values())
        arrived.unread_counts, arrived.unread_lists = counts, lengths
        arrived.open_deliveries = await self._open()
        return judge(self.expected, arrived)

    async def _open(self) -> int:
        entries = [e for event_id in self.published for e in await self.line.entries(SOURCE, event_id)]
        return sum(is_open(e.state) for e in entries)

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL, and reap."""
        worker.kill()
        worker.wait()

    def restart_all(self, variables: Mapping[str, str] | None = None) -> None:
        """A new worker for each that has ended."""
        for worker in [w for w in self.line.workers if w.poll() is not None]:
            self.line.workers.remove(worker)
            self.line.start_worker(**(variables or {}))
