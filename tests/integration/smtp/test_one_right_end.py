"""The email stage before relays that greylist, refuse, drop and break off: each mail comes to its one right end.

Stage and engine are the real ones, and so are the connections; ledger and due set are in memory, and the clock is the
test's: what would be tried again in minutes is tried when nothing else is left to do.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from service.adapters.smtp import Cooldowns, SmtpTransport
from service.model.ids import address_key
from service.model.recipient import Recipient
from service.model.record import Record
from service.ports import Unavailable
from tests.integration.smtp.rig import engine, relay, until
from tests.support.fake_pipeline import FakePipeline
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session

BATCH = 500
SHORT, TIGHT = 20, 75  # seconds to the deadline: before any second try, and perhaps before it


def greylisted(n: int) -> bool:
    return n % 10 < 3


def refused(n: int) -> bool:
    return n % 20 == 5


def dropped(n: int) -> bool:
    return n % 100 == 7


def held(n: int) -> bool:
    return n % 200 == 107


def deadline_s(n: int) -> int:
    """Seconds from the event to its deadline; 0: the type's own."""
    return {12: SHORT, 22: TIGHT}.get(n % 100, 0)


class World:
    """What all relays see: which mail came, at what time by the test's clock, and what was answered."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self.pipeline = pipeline
        self.tries: Counter[int] = Counter()
        self.kept: defaultdict[int, list[int]] = defaultdict(list)
        self.broken_off = 0

    def script(self, *, rotates: bool) -> Any:
        def answer(session: Session, verb: str, line: str) -> Answer:
            if verb == "MAIL" and rotates and session.accepted and session.accepted % 100 == 0:
                self.broken_off += 1
                return (b"421 4.7.0 Too many messages on this connection\r\n", Do.close)
            if verb == "RCPT":
                n = number(line)
                self.tries[n] += 1
                if refused(n):
                    return b"550 5.1.1 User unknown\r\n"
                if greylisted(n) and self.tries[n] == 1:
                    return b"451 4.7.1 Greylisted, try again in 60 seconds\r\n"
            if verb == "END" and session.arrived:
                n = number(session.arrived[-1].recipients[0])
                self.kept[n].append(self.pipeline.clock.now_ms())
                if dropped(n) and len(self.kept[n]) == 1:
                    return Do.reset
            return None

        return answer


def number(line: str) -> int:
    return int(line.partition("<user")[2].partition("@")[0])


def event(n: int, now_ms: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": str(n), "type": "held_when_unsure" if held(n) else "winner", "recipients": [f"user{n}"],
        "data": {"lot_id": "7"},
    }  # fmt: skip
    if seconds := deadline_s(n):
        made["expires"] = datetime.fromtimestamp(now_ms / 1000 + seconds, UTC).isoformat()
    return made


async def published(count: int) -> FakePipeline:
    pipeline = FakePipeline()
    people = [
        Recipient(id=f"user{n}", address=f"user{n}@example{n % 7}.com", version=1) for n in range(count)
    ]
    await pipeline.tables.put_recipients(people)
    for start in range(0, count, BATCH):
        await pipeline.ingest(
            *(event(n, pipeline.clock.now_ms()) for n in range(start, min(count, start + BATCH)))
        )
    return pipeline


async def finish(pipeline: FakePipeline, transport: SmtpTransport, records: Sequence[Record]) -> None:
    """What a stage does: what is not finished because no relay was there is given to it again."""
    left = list(records)
    while left:
        await until(lambda: any(one.state in ("ok", "trial") for one in transport.state()))
        batch, finished = left[:BATCH], set[int]()
        try:
            async for done in pipeline.deliver_email(batch):
                await pipeline.publish(done.messages)
                finished.update(record.offset for record in done.records)
        except Unavailable:
            pass
        left = [record for record in left if record.offset not in finished]


async def run(pipeline: FakePipeline, transport: SmtpTransport) -> None:
    """Deliver, then jump to the next time that something is due, until nothing is."""
    while True:
        records = pipeline.email_records()
        for lane in ("high", "normal", "bulk"):
            pipeline.topics.pop(f"dispatch.email.{lane}", None)
        await finish(pipeline, transport, records)
        due = await pipeline.due.oldest_ms()
        if due is None:
            return
        pipeline.clock.advance(max(0, due - pipeline.clock.now_ms()))
        while await pipeline.schedule.run_once():
            pass


ALL = pytest.param(
    20_000,
    marks=[
        pytest.mark.slow,
        pytest.mark.timeout(900),
        pytest.mark.skipif("TOCSIN_TEST_SLOW" not in os.environ, reason="set TOCSIN_TEST_SLOW=1"),
    ],
)


@pytest.mark.parametrize("count", [2000, ALL])
async def test_each_mail_reaches_its_one_right_end(count: int) -> None:
    """Counts of ledger and relays agree, nothing arrives after its deadline, nothing twice but what was dropped."""
    pipeline = await published(count)
    start, world = pipeline.clock.now_ms(), World(pipeline)
    async with (
        ScriptedServer(world.script(rotates=True)) as first,
        ScriptedServer(world.script(rotates=False)) as second,
    ):
        relays = (
            relay(first, max_connections=4, rests=Cooldowns(away=0.05, busy=0.05, longest=0.2)),
            relay(second, "second", max_connections=4),
        )
        async with engine(*relays) as transport:
            pipeline.transport = transport  # type: ignore[assignment]
            pipeline.deliver_email = pipeline.email_worker("worker-1")
            await run(pipeline, transport)

    ends: Counter[str] = Counter()
    for n in range(count):
        state, reason = (await pipeline.states(str(n)))[f"user{n}", "email"]
        ends[state] += 1
        kept = world.kept[n]
        if refused(n):
            assert (state, reason, len(kept)) == ("bounced", "mailbox_unknown", 0)
            assert address_key(f"user{n}@example{n % 7}.com") in pipeline.tables.suppressions
        elif held(n):
            assert (state, reason, len(kept)) == ("held", "awaiting_operator", 1)
        elif dropped(n):
            assert (state, len(kept)) == (
                "sent",
                2,
            )  # the type says to send again; the Message-ID is the same
        elif deadline_s(n) == SHORT:
            assert (state, reason, len(kept)) == ("expired", "greylisted", 0)
        elif deadline_s(n) == TIGHT:
            assert (state, len(kept)) in (("sent", 1), ("expired", 0))
        else:
            assert (state, len(kept)) == ("sent", 1), (n, state, reason, kept)
        assert all(at < start + seconds * 1000 for at in kept if (seconds := deadline_s(n)))
    assert sum(ends.values()) == count
    assert ends["sent"] + ends["held"] == sum(map(bool, world.kept.values()))
    assert ends["bounced"] == sum(map(refused, range(count)))
    assert world.broken_off > 0
