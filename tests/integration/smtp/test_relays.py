"""Relays that rest, break, refuse us or are away: fail-over, recovery, and that no attempt is burned."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import TypeVarTuple

import pytest

from service.adapters.smtp import Cooldowns, Relay
from service.model.mail import SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.ports import Unavailable
from tests.integration.smtp.rig import PATIENT, engine, mail, relay, results, until
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session, closed_port

LONG = Cooldowns(away=30.0, busy=30.0, fault=30.0)
Some = TypeVarTuple("Some")


async def test_the_first_relay_is_preferred_and_the_second_steps_in() -> None:
    """While the first relay is well it takes all; when it goes away, mail goes on through the second at once."""
    async with ScriptedServer() as one, ScriptedServer() as two:
        async with engine(relay(one, rests=LONG), relay(two, "second")) as transport:
            first = await results(transport, *map(mail, range(5)))
            await one.stop()
            await until(lambda: transport.state()[0].connections == 0)
            second = await results(transport, *map(mail, range(5, 10)))

        assert {outcome.relay for outcome in first} == {"first"}
        assert {(outcome.relay, outcome.status) for outcome in second} == {("second", SendStatus.accepted)}


async def test_no_relay_answers() -> None:
    """When nothing listens, mail comes back unsent: no attempt is burned, and readiness says until when."""
    async with closed_port() as port:
        away = Relay("away", "127.0.0.1", port, security="none", timeouts=PATIENT, rests=LONG)
        async with engine(away) as transport:
            outcomes = await results(transport, *map(mail, range(20)))
            later = await results(transport, mail())

            assert {(one.status, one.reason) for one in [*outcomes, *later]} == {
                (SendStatus.unsent, Reason.relay_unavailable)
            }
            state = transport.state()[0]
            assert (state.state, state.rests_for_s > 10) == ("breaker_open", True)


async def test_it_comes_back_by_itself() -> None:
    """A relay that was away is used again soon after it answers, without mail being spent on finding out."""
    await _away_and_back()


def test_it_comes_back_though_timers_come_early() -> None:
    """A loop that rounds its timers down (uvloop: to a millisecond) does not leave a relay resting for ever."""

    class Early(asyncio.SelectorEventLoop):
        def call_at(
            self,
            when: float,
            callback: Callable[[*Some], object],
            *args: *Some,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            return super().call_at(when - 0.01, callback, *args, context=context)

    with asyncio.Runner(loop_factory=Early) as runner:
        runner.run(_away_and_back())


async def _away_and_back() -> None:
    async with ScriptedServer() as server:
        await server.stop()
        async with engine(relay(server)) as transport:
            await until(lambda: transport.state()[0].state == "breaker_open")
            async with server:
                await until(lambda: transport.state()[0].state in ("ok", "trial"))
                (outcome,) = await results(transport, mail())

                assert outcome.status is SendStatus.accepted
                assert transport.state()[0].state == "ok"


async def test_the_breaker_opens_after_breaks_in_a_row() -> None:
    """Five dialogues in a row that break off open the breaker; what waits goes to the next relay."""
    async with (
        ScriptedServer(lambda s, v, line: Do.close if v == "RCPT" else None) as bad,
        ScriptedServer() as good,
        engine(relay(bad, rests=LONG), relay(good, "second")) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(10)))

        statuses = Counter((outcome.status, outcome.relay) for outcome in outcomes)
        assert statuses == {(SendStatus.deferred, "first"): 1, (SendStatus.accepted, "second"): 9}
        assert transport.state()[0].state == "breaker_open"


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("MAIL", b"530 5.7.0 Authentication required\r\n", SendReason.auth_failed),
        ("MAIL", b"550 5.7.1 Sender address rejected: not owned by user\r\n", Reason.sender_refused),
        ("RCPT", b"530 5.7.0 Must issue a STARTTLS command first\r\n", SendReason.auth_failed),
        ("AUTH", b"535 5.7.8 Bad credentials\r\n", SendReason.auth_failed),
        ("EHLO", b"550 5.7.1 We do not like you\r\n", SendReason.misconfigured),
        ("CONNECT", b"554 5.7.1 No service for you\r\n", SendReason.misconfigured),
    ],
)
async def test_our_own_faults_pause_the_channel(verb: str, reply: bytes, reason: ResultReason) -> None:
    """Authentication and configuration faults burn no attempt, name themselves, and send nothing more meanwhile."""

    def script(session: Session, asked: str, line: str) -> Answer:
        if asked in ("EHLO", "HELO") and verb == "EHLO":
            return reply
        return reply if asked == verb else None

    async with (
        ScriptedServer(script, extensions=("PIPELINING", "AUTH PLAIN")) as server,
        engine(relay(server, username="u", password="p", rests=LONG)) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(10)))

        assert {(one.status, one.reason) for one in outcomes} == {(SendStatus.unsent, reason)}
        state = transport.state()[0]
        assert (state.state, state.reason) == ("misconfigured", reason)
        assert reply[:3].decode() in state.detail
        assert sum(session.verbs.count("MAIL") for session in server.sessions) <= 1


async def test_a_mended_fault_ends_the_pause() -> None:
    """Once the relay takes our password again, mail flows by itself."""
    good = False
    async with (
        ScriptedServer(
            lambda s, verb, line: b"535 5.7.8 No\r\n" if verb == "AUTH" and not good else None,
            extensions=("PIPELINING", "AUTH PLAIN"),
        ) as server,
        engine(relay(server, username="u", password="p")) as transport,
    ):
        await until(lambda: transport.state()[0].state == "misconfigured")
        good = True
        await until(lambda: transport.state()[0].state in ("ok", "trial"))
        (outcome,) = await results(transport, mail())

        assert outcome.status is SendStatus.accepted


async def test_relaying_denied_again_and_again() -> None:
    """One denial may be about its recipient; three in a row are about us, and pause the channel."""
    async with (
        ScriptedServer(
            lambda s, v, line: b"554 5.7.1 Relay access denied\r\n" if v == "RCPT" else None
        ) as server,
        engine(relay(server, rests=LONG)) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(20)))

        found = Counter((one.status, one.reason) for one in outcomes)
        assert found[SendStatus.deferred, Reason.relaying_denied] == 3
        assert found[SendStatus.unsent, Reason.relaying_denied] == 17
        assert transport.state()[0].state == "misconfigured"


async def test_one_sender_refused_without_a_word() -> None:
    """A 5xx to MAIL that does not say why holds up its own mail, patiently, and nobody else's."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return b"550 5.1.0 Rejected\r\n" if verb == "MAIL" and "odd@" in line else None

    async with ScriptedServer(script) as server, engine(relay(server, rests=LONG)) as transport:
        odd = [mail(9, sender="odd@tocsin.test") for _ in range(5)]
        before, *refused, after = await results(transport, mail(0), *odd, mail(1))

        assert before.status is after.status is SendStatus.accepted
        assert {(one.status, one.reason, one.phase, one.suppress) for one in refused} == {
            (SendStatus.deferred, Reason.sender_refused, "mail", False)
        }
        assert refused[0].retry_after_s == 300.0
        assert transport.state()[0].state == "ok"
        assert len(server.sessions) == 1


async def test_sender_refused_again_and_again() -> None:
    """The third mail in a row that is refused at MAIL shows that it is us: the channel pauses and says why."""
    async with (
        ScriptedServer(lambda s, v, line: b"550 5.1.0 Rejected\r\n" if v == "MAIL" else None) as server,
        engine(relay(server, rests=LONG)) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(20)))

        found = Counter((one.status, one.reason) for one in outcomes)
        assert found[SendStatus.deferred, Reason.sender_refused] == 3
        assert found[SendStatus.unsent, Reason.sender_refused] == 17
        state = transport.state()[0]
        assert (state.state, state.reason) == ("misconfigured", Reason.sender_refused)
        assert "Rejected" in state.detail


async def test_one_connection_too_many() -> None:
    """A relay that allows two connections serves us with two; that the third is refused rests nothing."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "CONNECT" and session.number >= 2:
            return (b"421 4.7.0 Too many connections\r\n", Do.close)
        return None

    async with ScriptedServer(script) as server, engine(relay(server, max_connections=8)) as transport:
        outcomes = await results(transport, *map(mail, range(200)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        assert transport.state()[0].state == "ok"


async def test_nothing_waits_behind_a_slow_domain() -> None:
    """A domain that never answers holds at most its share of the connections; all others pass."""
    release = asyncio.Event()

    def script(session: Session, verb: str, line: str) -> Answer:
        return Do.stall if verb == "RCPT" and "@slow.test" in line and not release.is_set() else None

    async with (
        ScriptedServer(script) as server,
        engine(relay(server, max_connections=4, domain_concurrency=2)) as transport,
    ):
        slow = [transport.submit(mail(number, f"user{number}@slow.test")) for number in range(20)]
        fast = await results(transport, *map(mail, range(50)))

        assert {outcome.status for outcome in fast} == {SendStatus.accepted}
        assert not any(future.done() for future in slow)
        assert transport.state()[0].in_flight == 2


async def test_no_envelope_goes_behind_a_slow_one() -> None:
    """After a domain was slow once, nothing is tied to a connection that carries a mail for it."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "END" and any("@slow.test" in line for line in session.lines[-4:]):
            return (b"250-wait\r\n", b"250 ok\r\n")
        return None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        pool = transport._pools[0]
        await results(transport, mail(0, "a@slow.test"))
        pool._waiting._domains["slow.test"].slow = True
        await results(transport, mail(1, "b@slow.test"), mail(2, "c@example.com"))

        (chunk,) = [chunk for chunk in server.sessions[0].chunks if b"\r\n.\r\n" in chunk][1:2]
        assert chunk.endswith(b"\r\n.\r\n")


class Recording:
    """A rate limit that makes one domain wait."""

    def __init__(self, delays: dict[str, float], away: bool = False) -> None:
        self.delays = delays
        self.away = away
        self.asked: list[tuple[str, str, int]] = []

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        self.asked.append((relay, domain, n))
        if self.away:
            raise Unavailable("the limit is away")
        return self.delays.get(domain, 0.0)


async def test_the_shared_limit_is_asked_in_batches() -> None:
    """The limit is asked for several mails of a domain at once; a domain that must wait long comes back unsent."""
    limit = Recording({"patient.test": 120.0})
    async with ScriptedServer() as server, engine(relay(server), limit=limit) as transport:
        quick = [mail(number) for number in range(40)]
        *free, held = await results(transport, *quick, mail(99, "x@patient.test"))

        assert {outcome.status for outcome in free} == {SendStatus.accepted}
        assert (held.status, held.reason) == (SendStatus.unsent, Reason.rate_limited)
        assert held.retry_after_s == 120.0
        assert sum(n for _, domain, n in limit.asked if domain == "example.com") == 40
        assert len(limit.asked) <= 4


async def test_a_refusal_for_the_rate_is_not_waited_for() -> None:
    """A relay that closes while its limit is asked ends as soon as the limit has refused what was left."""
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow:
        async def acquire(self, relay: str, domain: str, n: int) -> float:
            asked.set()
            await answer.wait()
            return 120.0

    async with ScriptedServer() as server, engine(relay(server), limit=Slow()) as transport:
        held = transport.submit(mail())
        async with asyncio.timeout(30):
            await asked.wait()
            closing = asyncio.create_task(transport.close(3600))
            await until(lambda: transport._pools[0]._quiet)
            answer.set()
            assert (await held).reason is Reason.rate_limited
            await closing


async def test_a_limit_that_is_away() -> None:
    """When the limit cannot be asked nothing is sent past it."""
    async with ScriptedServer() as server, engine(relay(server), limit=Recording({}, away=True)) as transport:
        (outcome,) = await results(transport, mail())

        assert (outcome.status, outcome.reason) == (SendStatus.unsent, Reason.rate_limited)
        assert server.arrived == []


async def test_a_relay_keeps_its_own_rate() -> None:
    """`rate` mails a second and not more, without a shared limit."""
    async with ScriptedServer() as server, engine(relay(server, rate=50.0)) as transport:
        began = monotonic()
        outcomes = await results(transport, *map(mail, range(40)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        assert monotonic() - began > 0.5


async def test_rests_do_not_pile_up() -> None:
    """Many connections told 421 at once are one rest, not many doubled ones."""
    async with (
        ScriptedServer(
            lambda s, v, line: (b"421 4.3.2 Busy\r\n", Do.close) if v == "MAIL" else None
        ) as server,
        engine(relay(server, max_connections=5, rests=Cooldowns(busy=30.0))) as transport,
    ):
        await results(transport, *map(mail, range(50)))

        assert transport.state()[0].rests_for_s <= 33.0
