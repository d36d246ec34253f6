"""Relays that cool down, break, refuse us or are unavailable: fail-over, recovery, and no attempt counted."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import TypeVarTuple

import pytest

from service.adapters.smtp import Cooldowns, Relay
from service.cli.checks.smtp import check_smtp
from service.model.mail import SendStatus
from service.model.reasons import Reason, ResultReason, SendReason
from service.ports import Unavailable
from service.settings import Settings, SmtpSettings
from tests.integration.smtp.rig import PATIENT, SteadyRate, engine, mail, relay, send
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session, closed_port
from tests.support.wait import eventually

LONG = Cooldowns(unavailable_s=30.0, busy_s=30.0, fault_s=30.0)
Some = TypeVarTuple("Some")


async def test_the_second_relay_replaces_the_first() -> None:
    """Send everything through the first relay while it is usable, and through the second as soon as it is not."""
    async with ScriptedServer() as one, ScriptedServer() as two:
        async with engine(relay(one, cooldowns=LONG), relay(two, "second")) as transport:
            first = await send(transport, *map(mail, range(5)))
            await one.stop()
            await eventually(lambda: transport.state()[0].connections == 0)
            second = await send(transport, *map(mail, range(5, 10)))

        assert {result.relay for result in first} == {"first"}
        assert {(result.relay, result.status) for result in second} == {("second", SendStatus.accepted)}


async def test_no_relay_is_available() -> None:
    """Return messages unsent if no relay listens: count no attempt, and report the seconds until the next try."""
    async with closed_port() as port:
        unavailable = Relay(
            "unavailable", "127.0.0.1", port, security="none", timeouts=PATIENT, cooldowns=LONG
        )
        async with engine(unavailable) as transport:
            results = await send(transport, *map(mail, range(20)))
            later = await send(transport, mail())

            assert {(one.status, one.reason) for one in [*results, *later]} == {
                (SendStatus.unsent, Reason.relay_unavailable)
            }
            state = transport.state()[0]
            assert (state.state, state.cooldown_left_s > 10) == ("breaker_open", True)


async def test_a_relay_is_used_again_when_it_is_back() -> None:
    """Use an unavailable relay again soon after it answers, without spending a message on the check."""
    await _stop_and_restart()


def test_a_relay_is_used_again_although_timers_fire_early() -> None:
    """Leave a cooldown even on a loop that rounds its timers down (uvloop: to a millisecond)."""

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
        runner.run(_stop_and_restart())


async def _stop_and_restart() -> None:
    async with ScriptedServer() as server:
        await server.stop()
        async with engine(relay(server)) as transport:
            await eventually(lambda: transport.state()[0].state == "breaker_open")
            async with server:
                await eventually(lambda: transport.state()[0].state in ("ok", "trial"))
                (result,) = await send(transport, mail())

                assert result.status is SendStatus.accepted
                assert transport.state()[0].state == "ok"


async def test_the_breaker_opens_after_failures_in_a_row() -> None:
    """Open the breaker after five broken dialogues in a row; send queued messages through the next relay."""
    async with (
        ScriptedServer(lambda s, v, line: Do.close if v == "RCPT" else None) as bad,
        ScriptedServer() as good,
        engine(relay(bad, cooldowns=LONG), relay(good, "second")) as transport,
    ):
        results = await send(transport, *map(mail, range(10)))

        statuses = Counter((result.status, result.relay) for result in results)
        assert statuses == {(SendStatus.deferred, "first"): 1, (SendStatus.accepted, "second"): 9}
        assert transport.state()[0].state == "breaker_open"


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("MAIL", b"530 5.7.0 Authentication required\r\n", SendReason.auth_failed),
        ("MAIL", b"550 5.7.1 Sender address rejected: not owned by user\r\n", Reason.sender_refused),
        ("MAIL", b"530 5.7.0 Must issue a STARTTLS command first\r\n", SendReason.auth_failed),
        ("AUTH", b"535 5.7.8 Bad credentials\r\n", SendReason.auth_failed),
        ("EHLO", b"550 5.7.1 We do not like you\r\n", SendReason.misconfigured),
        ("CONNECT", b"554 5.7.1 No service\r\n", SendReason.misconfigured),
        ("CONNECT", b"554 5.7.1 [192.0.2.1] blocked using zen.spamhaus.org\r\n", Reason.host_refused),
        ("CONNECT", b"554 Votre IP est bloqu\xe9e\r\n", Reason.host_refused),
        ("EHLO", b"501 Syntactically invalid HELO argument(s)\r\n", Reason.host_refused),
        ("AUTH", b"535 5.7.8 Your account has been suspended\r\n", Reason.account_refused),
        ("AUTH", b"525 5.7.13 User Account Disabled\r\n", Reason.account_refused),
        ("AUTH", b"530 5.7.0 Must issue a STARTTLS command first\r\n", SendReason.misconfigured),
    ],
)
async def test_our_own_faults_pause_the_channel(verb: str, reply: bytes, reason: ResultReason) -> None:
    """Pause at an authentication or configuration fault: count no attempt, report the reason, send nothing more."""

    def script(session: Session, command: str, line: str) -> Answer:
        if command in ("EHLO", "HELO") and verb == "EHLO":
            return reply
        return reply if command == verb else None

    async with (
        ScriptedServer(script, extensions=("PIPELINING", "AUTH PLAIN")) as server,
        engine(relay(server, username="u", password="p", cooldowns=LONG)) as transport,
    ):
        results = await send(transport, *map(mail, range(10)))

        assert {(one.status, one.reason) for one in results} == {(SendStatus.unsent, reason)}
        state = transport.state()[0]
        assert (state.state, state.reason) == ("misconfigured", reason)
        assert reply[:3].decode() in state.detail
        assert sum(session.verbs.count("MAIL") for session in server.sessions) <= 1


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("CONNECT", b"554 5.7.1 Too many connections from 192.0.2.1\r\n", Reason.rate_limited),
        ("CONNECT", b"421 4.7.0 Too many connections\r\n", Reason.rate_limited),
        ("CONNECT", b"421 4.3.2 Service not available\r\n", Reason.relay_busy),
        ("CONNECT", b"421 4.7.1 [192.0.2.1] is on our block list\r\n", Reason.host_refused),
        ("EHLO", b"452 4.3.1 Out of memory\r\n", Reason.relay_unavailable),
        ("AUTH", b"454 4.7.0 Temporary authentication failure\r\n", Reason.relay_unavailable),
        ("AUTH", b"535 5.7.0 Too many authentication failures\r\n", Reason.rate_limited),
    ],
)
async def test_what_limits_us_for_a_while_is_no_fault(verb: str, reply: bytes, reason: ResultReason) -> None:
    """Leave a relay alone that refuses a connection for now, or one of too many; the next relay takes its mail."""
    async with (
        ScriptedServer(
            lambda s, command, line: reply if command == verb else None,
            extensions=("PIPELINING", "AUTH PLAIN"),
        ) as server,
        ScriptedServer() as other,
        engine(
            relay(server, username="u", password="p", cooldowns=LONG), relay(other, "second")
        ) as transport,
    ):
        results = await send(transport, *map(mail, range(10)))

        assert {(one.status, one.relay) for one in results} == {(SendStatus.accepted, "second")}
        state = transport.state()[0]
        assert (state.state, state.reason) == ("resting", reason)


@pytest.mark.parametrize(
    ("reply", "remedy"),
    [
        (b"421 4.3.2 Service not available\r\n", "retried by itself"),
        (b"450 4.7.1 Greylisted\r\n", "retried by itself"),
        (b"554 5.7.1 [192.0.2.1] blocked using zen.spamhaus.org\r\n", "reputation"),
        (b"554 5.7.1 Too many connections\r\n", "TOCSIN_SMTP__RATE"),
    ],
)
async def test_doctor_says_what_to_do(reply: bytes, remedy: str) -> None:
    """Name the reply of a relay that refuses the connection, and what helps."""
    async with ScriptedServer(lambda s, verb, line: reply if verb == "CONNECT" else None) as server:
        (finding,) = await check_smtp(Settings(smtp=SmtpSettings(port=server.port)))

    assert reply[:3].decode() in finding.detail
    assert remedy in finding.remedy


async def test_a_password_is_refused_and_the_connection_closed() -> None:
    """Report the refusal, and not the end of the connection that follows it."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"535 5.7.8 Bad credentials\r\n", Do.close) if verb == "AUTH" else None

    async with (
        ScriptedServer(script, extensions=("AUTH PLAIN LOGIN",)) as server,
        engine(relay(server, username="u", password="p", cooldowns=LONG)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert (result.status, result.reason) == (SendStatus.unsent, SendReason.auth_failed)
        assert transport.state()[0].state == "misconfigured"


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("MAIL", b"451 4.3.0 Error: queue file write error\r\n"),
        ("MAIL", b"452 4.3.1 Insufficient system storage\r\n"),
        ("DATA", b"451 Local error in processing\r\n"),
        ("END", b"451 4.3.0 Error: queue file write error\r\n"),
    ],
)
async def test_a_relay_that_can_take_nothing_for_now(verb: str, reply: bytes) -> None:
    """Defer three messages that meet the same trouble of the relay; the next relay takes the others."""
    async with (
        ScriptedServer(lambda s, command, line: reply if command == verb else None) as server,
        ScriptedServer() as other,
        engine(relay(server, cooldowns=LONG), relay(other, "second")) as transport,
    ):
        results = await send(transport, *(mail(n, f"user@domain{n}.test") for n in range(20)))

        counts = Counter((one.status, one.relay) for one in results)
        assert counts[SendStatus.deferred, "first"] <= 4  # three, and what was behind the third
        assert counts[SendStatus.accepted, "second"] >= 16
        assert transport.state()[0].state == "resting"


@pytest.mark.parametrize("connections", [1, 10])
async def test_a_relay_that_has_lost_its_place(connections: int) -> None:
    """Give up a relay that answers 503 to every MAIL, as one whose dialogues break; the next relay takes the mail."""
    async with (
        ScriptedServer(lambda s, verb, line: b"503 Bad sequence\r\n" if verb == "MAIL" else None) as lost,
        ScriptedServer() as other,
        engine(relay(lost, max_connections=connections, cooldowns=LONG), relay(other, "second")) as transport,
    ):
        results = await send(transport, *map(mail, range(30)))

        counts = Counter((one.status, one.relay) for one in results)
        assert counts[SendStatus.accepted, "second"] >= 28
        assert transport.state()[0].state == "breaker_open"


async def test_a_fixed_fault_ends_the_pause() -> None:
    """Resume without help once the relay accepts our password again."""
    good = False
    async with (
        ScriptedServer(
            lambda s, verb, line: b"535 5.7.8 No\r\n" if verb == "AUTH" and not good else None,
            extensions=("PIPELINING", "AUTH PLAIN"),
        ) as server,
        engine(relay(server, username="u", password="p")) as transport,
    ):
        await eventually(lambda: transport.state()[0].state == "misconfigured")
        good = True
        await eventually(lambda: transport.state()[0].state in ("ok", "trial"))
        (result,) = await send(transport, mail())

        assert result.status is SendStatus.accepted


async def test_relaying_denied_again_and_again() -> None:
    """Pause after three denials in a row: one may be about its recipient, three are about us."""
    async with (
        ScriptedServer(
            lambda s, v, line: b"554 5.7.1 Relay access denied\r\n" if v == "RCPT" else None
        ) as server,
        engine(relay(server, cooldowns=LONG)) as transport,
    ):
        results = await send(transport, *map(mail, range(20)))

        counts = Counter((one.status, one.reason) for one in results)
        assert counts[SendStatus.deferred, Reason.relaying_denied] == 3
        assert counts[SendStatus.unsent, Reason.relaying_denied] == 17
        assert transport.state()[0].state == "misconfigured"


async def test_one_sender_refused_without_a_cause() -> None:
    """Defer only the refused message for a 5xx to MAIL without a cause; send all others."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return b"550 5.1.0 Rejected\r\n" if verb == "MAIL" and "odd@" in line else None

    async with ScriptedServer(script) as server, engine(relay(server, cooldowns=LONG)) as transport:
        odd = [mail(9, sender="odd@tocsin.test") for _ in range(5)]
        before, *refused, after = await send(transport, mail(0), *odd, mail(1))

        assert before.status is after.status is SendStatus.accepted
        assert {(one.status, one.reason, one.phase, one.suppress) for one in refused} == {
            (SendStatus.deferred, Reason.sender_refused, "mail", False)
        }
        assert refused[0].retry_after_s == 300.0
        assert transport.state()[0].state == "ok"
        assert len(server.sessions) == 1


async def test_sender_refused_again_and_again() -> None:
    """Pause, and report the reason, at the third message in a row that is refused at MAIL: the fault is ours."""
    async with (
        ScriptedServer(lambda s, v, line: b"550 5.1.0 Rejected\r\n" if v == "MAIL" else None) as server,
        engine(relay(server, cooldowns=LONG)) as transport,
    ):
        results = await send(transport, *map(mail, range(20)))

        counts = Counter((one.status, one.reason) for one in results)
        assert counts[SendStatus.deferred, Reason.sender_refused] == 3
        assert counts[SendStatus.unsent, Reason.sender_refused] == 17
        state = transport.state()[0]
        assert (state.state, state.reason) == ("misconfigured", Reason.sender_refused)
        assert "Rejected" in state.detail


@pytest.mark.parametrize(
    "reply", [b"421 4.7.0 Too many connections\r\n", b"554 5.7.1 Too many connections from your host\r\n"]
)
async def test_one_connection_too_many(reply: bytes) -> None:
    """Use two connections to a relay that allows two; refusing a third starts no cooldown."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "CONNECT" and session.number >= 2:
            return (reply, Do.close)
        return None

    async with ScriptedServer(script) as server, engine(relay(server, max_connections=8)) as transport:
        results = await send(transport, *map(mail, range(200)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert transport.state()[0].state == "ok"


async def test_no_message_waits_behind_a_slow_domain() -> None:
    """Give a domain that never answers at most its share of the connections; all others overtake it."""
    release = asyncio.Event()

    def script(session: Session, verb: str, line: str) -> Answer:
        return Do.stall if verb == "RCPT" and "@slow.test" in line and not release.is_set() else None

    async with (
        ScriptedServer(script) as server,
        engine(relay(server, max_connections=4, domain_concurrency=2)) as transport,
    ):
        slow = [transport.submit(mail(number, f"user{number}@slow.test")) for number in range(20)]
        fast = await send(transport, *map(mail, range(50)))

        assert {result.status for result in fast} == {SendStatus.accepted}
        assert not any(future.done() for future in slow)
        assert transport.state()[0].in_flight == 2


async def test_no_envelope_is_pipelined_behind_a_slow_domain() -> None:
    """Pipeline no envelope behind a message to a domain that was slow."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "END" and any("@slow.test" in line for line in session.lines[-4:]):
            return (b"250-wait\r\n", b"250 ok\r\n")
        return None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        pool = transport._pools[0]
        await send(transport, mail(0, "a@slow.test"))
        pool._queue._domains["slow.test"].slow = True
        await send(transport, mail(1, "b@slow.test"), mail(2, "c@example.com"))

        (chunk,) = [chunk for chunk in server.sessions[0].chunks if b"\r\n.\r\n" in chunk][1:2]
        assert chunk.endswith(b"\r\n.\r\n")


class RecordingLimit:
    """A rate limit that records its calls and makes one domain wait."""

    def __init__(self, delays: dict[str, float], unavailable: bool = False) -> None:
        self.delays = delays
        self.unavailable = unavailable
        self.calls: list[tuple[str, str, int]] = []

    def is_limited(self, domain: str) -> bool:
        return domain in self.delays

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        self.calls.append((relay, domain, n))
        if self.unavailable:
            raise Unavailable("the limit is unavailable")
        return self.delays.get(domain, 0.0)


async def test_the_shared_limit_is_reserved_in_batches() -> None:
    """Reserve several messages at once; return those to a domain that must wait long unsent."""
    limit = RecordingLimit({"patient.test": 120.0})
    async with ScriptedServer() as server, engine(relay(server), limit=limit) as transport:
        quick = [mail(number) for number in range(40)]
        *free, held = await send(transport, *quick, mail(99, "x@patient.test"))

        assert {result.status for result in free} == {SendStatus.accepted}
        assert (held.status, held.reason) == (SendStatus.unsent, Reason.rate_limited)
        assert held.retry_after_s == 120.0
        assert sum(n for _, domain, n in limit.calls if not domain) == 40
        assert len(limit.calls) <= 4


async def test_close_does_not_wait_for_rejected_messages() -> None:
    """Return a message that waits for its rate at once, while the reservation is pending."""
    called, answer = asyncio.Event(), asyncio.Event()

    class Slow:
        def is_limited(self, domain: str) -> bool:
            return False

        async def acquire(self, relay: str, domain: str, n: int) -> float:
            called.set()
            await answer.wait()
            return 120.0

    async with ScriptedServer() as server, engine(relay(server), limit=Slow()) as transport:
        held = transport.submit(mail())
        async with asyncio.timeout(30):
            await called.wait()
            await transport.close(3600)
            assert (await held).reason is SendReason.closing


async def test_an_unavailable_limit() -> None:
    """Send nothing while the limit is unavailable."""
    async with (
        ScriptedServer() as server,
        engine(relay(server), limit=RecordingLimit({}, unavailable=True)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert (result.status, result.reason) == (SendStatus.unsent, Reason.rate_limited)
        assert server.arrived == []


async def test_a_relay_keeps_its_rate() -> None:
    """Send as many messages a second as the limit permits and no more."""
    async with (
        ScriptedServer() as server,
        engine(relay(server, rate=50.0), limit=SteadyRate(50.0)) as transport,
    ):
        began = monotonic()
        results = await send(transport, *map(mail, range(40)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert monotonic() - began > 0.5


async def test_cooldowns_do_not_add_up() -> None:
    """Start one cooldown, not many doubled ones, when many connections get 421 at once."""
    async with (
        ScriptedServer(
            lambda s, v, line: (b"421 4.3.2 Busy\r\n", Do.close) if v == "MAIL" else None
        ) as server,
        engine(relay(server, max_connections=5, cooldowns=Cooldowns(busy_s=30.0))) as transport,
    ):
        await send(transport, *map(mail, range(50)))

        assert transport.state()[0].cooldown_left_s <= 33.0
