"""The email stage with relays that greylist, refuse, drop and break off: each delivery reaches its one correct state.

Stage, engine and connections are real; ledger and due set are in memory, and the clock is the test's: a retry that is
due in minutes is made as soon as nothing else is left to do.
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
from tests.support.fake_pipeline import Pipeline
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session

BATCH = 500
SHORT_S, TIGHT_S = 20, 75  # seconds to the deadline: before any second try, and perhaps before it


def greylisted(n: int) -> bool:
    return n % 10 < 3


def refused(n: int) -> bool:
    return n % 20 == 5


def dropped(n: int) -> bool:
    return n % 100 == 7


def held(n: int) -> bool:
    return n % 200 == 107


def deadline_s(n: int) -> int:
    """Return the seconds from the event to its deadline; 0 for the type's own deadline."""
    return {12: SHORT_S, 22: TIGHT_S}.get(n % 100, 0)


class RelayScripts:
    """The view of both relays: each message received, its time on the test's clock, and the tries."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.tries: Counter[int] = Counter()
        self.received: defaultdict[int, list[int]] = defaultdict(list)
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
                self.received[n].append(self.pipeline.clock.now_ms())
                if dropped(n) and len(self.received[n]) == 1:
                    return Do.reset
            return None

        return answer


def number(line: str) -> int:
    return int(line.partition("<user")[2].partition("@")[0])


def event(n: int, now_ms: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": str(n), "type": "held_when_unsure" if held(n) else "winner", "recipients": [f"user{n}"],
        "data": {"lot_id": "7"},
    }  # fmt: skip
    if seconds := deadline_s(n):
        fields["expires"] = datetime.fromtimestamp(now_ms / 1000 + seconds, UTC).isoformat()
    return fields


async def published(count: int) -> Pipeline:
    pipeline = Pipeline()
    people = [
        Recipient(id=f"user{n}", address=f"user{n}@example{n % 7}.com", version=1) for n in range(count)
    ]
    await pipeline.tables.put_recipients(people)
    for start in range(0, count, BATCH):
        await pipeline.ingest(
            *(event(n, pipeline.clock.now_ms()) for n in range(start, min(count, start + BATCH)))
        )
    return pipeline


async def finish(pipeline: Pipeline, transport: SmtpTransport, records: Sequence[Record]) -> None:
    """Run the stage as a consumer does: pass it again the records that are unfinished because no relay was usable."""
    unfinished = list(records)
    while unfinished:
        await until(lambda: any(one.state in ("ok", "trial") for one in transport.state()))
        batch, finished = unfinished[:BATCH], set[int]()
        try:
            async for done in pipeline.deliver_email(batch):
                await pipeline.publish(done.messages)
                finished.update(record.offset for record in done.records)
        except Unavailable:
            pass
        unfinished = [record for record in unfinished if record.offset not in finished]


async def run(pipeline: Pipeline, transport: SmtpTransport) -> None:
    """Deliver, then advance the clock to the next due time, until nothing is due."""
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
async def test_each_delivery_reaches_its_one_correct_state(count: int) -> None:
    """Agree in ledger and relays; deliver nothing after its deadline, and nothing twice but after a drop."""
    pipeline = await published(count)
    start, scripts = pipeline.clock.now_ms(), RelayScripts(pipeline)
    async with (
        ScriptedServer(scripts.script(rotates=True)) as first,
        ScriptedServer(scripts.script(rotates=False)) as second,
    ):
        relays = (
            relay(first, max_connections=4, cooldowns=Cooldowns(unavailable_s=0.05, busy_s=0.05, max_s=0.2)),
            relay(second, "second", max_connections=4),
        )
        async with engine(*relays) as transport:
            pipeline.transport = transport  # type: ignore[assignment]
            pipeline.deliver_email = pipeline.email_worker("worker-1")
            await run(pipeline, transport)

    states: Counter[str] = Counter()
    for n in range(count):
        state, reason = (await pipeline.states(str(n)))[f"user{n}", "email"]
        states[state] += 1
        received = scripts.received[n]
        if refused(n):
            assert (state, reason, len(received)) == ("bounced", "mailbox_unknown", 0)
            assert address_key(f"user{n}@example{n % 7}.com") in pipeline.tables.suppressions
        elif held(n):
            assert (state, reason, len(received)) == ("held", "awaiting_operator", 1)
        elif dropped(n):
            assert (state, len(received)) == (
                "sent",
                2,
            )  # the type says to send again; the Message-ID is the same
        elif deadline_s(n) == SHORT_S:
            assert (state, reason, len(received)) == ("expired", "greylisted", 0)
        elif deadline_s(n) == TIGHT_S:
            assert (state, len(received)) in (("sent", 1), ("expired", 0))
        else:
            assert (state, len(received)) == ("sent", 1), (n, state, reason, received)
        assert all(at < start + seconds * 1000 for at in received if (seconds := deadline_s(n)))
    assert sum(states.values()) == count
    assert states["sent"] + states["held"] == sum(map(bool, scripts.received.values()))
    assert states["bounced"] == sum(map(refused, range(count)))
    assert scripts.broken_off > 0
