"""Dialogues that break off, at every step and in every way: what is ambiguous, what is safe, what is never reused."""

import asyncio

import pytest

from service.adapters.smtp import Cooldowns, Timeouts
from service.model.mail import SendStatus
from service.model.reasons import Reason, SendReason
from tests.integration.smtp.rig import (
    BODY,
    LOCK_STEP,
    PATIENT,
    PIPELINING,
    SOON,
    engine,
    mail,
    relay,
    results,
    until,
)
from tests.support.smtp_server import Answer, Do, Script, ScriptedServer, Session

both_ways = pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP], ids=["pipelining", "lock step"])
SHORT = Timeouts(*([0.5] * 8))
"""Only for what must be timed out: a busy machine may take as long for an answer that it does give."""


def times(how: str) -> Timeouts:
    """Short ones for a server that stalls."""
    return SHORT if how == "stall" else PATIENT


def once(at: str, *answer: bytes | Do, sessions: int = 1) -> Script:
    """Break the first connections at a step of their second mail; later ones are well."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return answer if verb == at and session.number < sessions and len(session.arrived) >= 1 else None

    return script


BEFORE_THE_DOT = ["MAIL", "RCPT", "DATA"]
BREAKS: dict[str, tuple[bytes | Do, ...]] = {
    "close": (Do.close,),
    "reset": (Do.reset,),
    "garbage": (b"\x00\xff what\r\n",),
    "bare LF": (b"250 fine\n250 fine\r\n",),
    "wrong code": (b"299 odd\r\n",),
    "success that is none": (b"334 go\r\n",),
    "codes that differ": (b"250-one\r\n550 two\r\n",),
    "endless line": (b"250 " + b"x" * 9000,),
    "endless reply": (b"250-x\r\n" * 200,),
    "a reply too many": (b"250 fine\r\n354 more\r\n250 more\r\n250 more\r\n250 more\r\n",),
    "stall": (Do.stall,),
}


@both_ways
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("at", BEFORE_THE_DOT)
async def test_before_the_dot_all_is_safe(at: str, how: str, extensions: tuple[str, ...]) -> None:
    """Whatever breaks before a final dot is tried again elsewhere: every mail arrives exactly once."""
    async with (
        ScriptedServer(once(at, *BREAKS[how]), extensions=extensions) as server,
        engine(relay(server, timeouts=times(how))) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(4)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}, outcomes
        received = sorted(message.recipients[0] for message in server.arrived)
        assert received == [f"RCPT TO:<user{number}@example.com>" for number in range(4)]
        assert len(server.sessions) == 2


@both_ways
@pytest.mark.parametrize("how", [name for name in BREAKS if name != "a reply too many"])
async def test_after_the_dot_it_is_ambiguous(how: str, extensions: tuple[str, ...]) -> None:
    """No final reply was read after the dot: that mail alone is ambiguous, the one behind it is sent once."""
    async with ScriptedServer(extensions=extensions) as server:
        seen: list[int] = []

        def script(session: Session, verb: str, line: str) -> Answer:
            if verb == "END" and session.number == 0 and len(session.arrived) == 2 and not seen:
                seen.append(1)
                return BREAKS[how]
            return None

        server.script = script
        async with engine(relay(server, timeouts=times(how))) as transport:
            outcomes = await results(transport, *map(mail, range(4)))

        statuses = [outcome.status for outcome in outcomes]
        assert statuses == [
            SendStatus.accepted,
            SendStatus.ambiguous,
            SendStatus.accepted,
            SendStatus.accepted,
        ]
        broken = outcomes[1].reason
        assert broken is (
            Reason.lost_after_data if how in ("close", "reset", "stall") else Reason.malformed_reply
        )
        received = [message.recipients[0] for message in server.arrived]
        assert sorted(received) == [f"RCPT TO:<user{number}@example.com>" for number in range(4)]


@both_ways
@pytest.mark.parametrize("at", [*BEFORE_THE_DOT, "END"])
async def test_421_at_any_moment(at: str, extensions: tuple[str, ...]) -> None:
    """421 says that the relay rests: nothing is ambiguous, nothing arrives twice, and it is left alone a while."""
    async with (
        ScriptedServer(once(at, b"421 4.3.2 Shutting down\r\n", Do.close), extensions=extensions) as server,
        engine(relay(server, rests=Cooldowns(busy=30.0))) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(4)))

        unsent = [outcome for outcome in outcomes if outcome.status is SendStatus.unsent]
        accepted = [outcome for outcome in outcomes if outcome.status is SendStatus.accepted]
        deferred = [outcome for outcome in outcomes if outcome.status is SendStatus.deferred]
        assert len(accepted) == (0 if at == "END" else 1)
        assert len(deferred) == (0 if at == "MAIL" else 1)
        assert {outcome.reason for outcome in deferred} <= {Reason.relay_busy}
        assert {outcome.reason for outcome in unsent} == {Reason.relay_unavailable}
        assert all(outcome.retry_after_s for outcome in unsent)
        assert transport.state()[0].state == "resting"


@both_ways
@pytest.mark.parametrize("at", [*BEFORE_THE_DOT, "END"])
async def test_rotation_is_no_failure(at: str, extensions: tuple[str, ...]) -> None:
    """A relay that ends connections after some mails costs nothing but a new connection."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == at and len(session.arrived) >= 2:
            return (b"421 4.7.0 Max messages per connection reached\r\n", Do.close)
        return None

    async with (
        ScriptedServer(script, extensions=extensions) as server,
        engine(relay(server, rests=Cooldowns(busy=30.0))) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(7)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        assert transport.state()[0].state == "ok"


async def test_goodbye_while_idle() -> None:
    """421 or a close while nothing is on the connection blames nobody; the next mail gets a new one."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (
            (b"250 ok\r\n", b"421 4.4.2 Timeout\r\n", Do.close)
            if verb == "END" and session.number < 6
            else None
        )

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        for number in range(8):
            (outcome,) = await results(transport, mail(number))
            assert outcome.status is SendStatus.accepted
        assert transport.state()[0].state == "ok"


async def test_unsolicited_bytes_end_a_connection() -> None:
    """Bytes that nothing asked for put every later reply in doubt: the connection is not used again."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"250 ok\r\n", b"250 again\r\n") if verb == "END" and session.number == 0 else None

    async with ScriptedServer(script) as server:
        async with engine(relay(server)) as transport:
            (first,) = await results(transport, mail(0))
            await until(lambda: server.sessions[0].closed)
            (second,) = await results(transport, mail(1))

        assert first.status is second.status is SendStatus.accepted
        assert len(server.sessions) == 2


@both_ways
async def test_half_a_reply_too_many(extensions: tuple[str, ...]) -> None:
    """Where more than 354 has come, no body is written: the mail goes once, through another connection."""
    async with (
        ScriptedServer(once("DATA", b"354 go\r\n250 a"), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        outcomes = await results(transport, *map(mail, range(4)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        assert len(server.arrived) == 4


async def test_three_broken_connections_are_one_attempt() -> None:
    """A mail whose connections keep breaking is deferred, and counts as tried; the breaker is not open yet."""
    async with (
        ScriptedServer(lambda s, v, line: Do.close if v == "RCPT" else None) as server,
        engine(relay(server)) as transport,
    ):
        (outcome,) = await results(transport, mail())

        assert (outcome.status, outcome.reason) == (SendStatus.deferred, Reason.relay_unavailable)
        assert len(server.sessions) == 3
        assert transport.state()[0].state == "ok"


@both_ways
async def test_large_bodies_do_not_deadlock(extensions: tuple[str, ...]) -> None:
    """Megabytes go through, both ways, to a server that writes long replies while it reads."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 40_000

    def script(session: Session, verb: str, line: str) -> Answer:
        return b"250-" + b"r" * 4000 + b"\r\n250 ok\r\n" if verb in ("END", "MAIL", "RCPT") else None

    async with ScriptedServer(script, extensions=extensions) as server, engine(relay(server)) as transport:
        outcomes = await results(transport, *(mail(number, content=large) for number in range(6)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        assert all(message.content == large for message in server.arrived)


async def test_a_server_that_stops_reading() -> None:
    """A body that cannot be written times out before its dot: that is safe, not ambiguous."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"354 go\r\n", Do.stop_reading) if verb == "DATA" and session.number < 3 else None

    async with (
        ScriptedServer(script, extensions=("PIPELINING",)) as server,
        engine(relay(server, timeouts=SHORT)) as transport,
    ):
        (outcome,) = await results(transport, mail(content=large))

        assert (outcome.status, outcome.reason) == (SendStatus.deferred, Reason.relay_unavailable)


async def test_refusal_in_the_midst_of_a_body() -> None:
    """A server that refuses while the body is still coming ends that mail with its words, not as ambiguous."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "DATA" and session.number == 0:
            return (b"354 go\r\n", b"552 5.3.4 Message too big\r\n", Do.stop_reading)
        return None

    async with (
        ScriptedServer(script, extensions=("PIPELINING",)) as server,
        engine(relay(server)) as transport,
    ):
        large_one, small_one = await results(transport, mail(0, content=large), mail(1))

        assert (large_one.status, large_one.reason) == (SendStatus.bounced, Reason.too_big)
        assert small_one.status is SendStatus.accepted


async def test_close_without_time() -> None:
    """Closing at once: beyond the dot is ambiguous, what waited is unsent, nothing is left behind."""
    reached = asyncio.Event()

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "END":
            reached.set()
            return Do.stall
        return None

    async with (
        ScriptedServer(script) as server,
        engine(relay(server, timeouts=PATIENT, rests=SOON)) as transport,
    ):
        futures = [transport.submit(mail(number)) for number in range(4)]
        await asyncio.wait_for(reached.wait(), 30)
        await transport.close(0)

        outcomes = [await future for future in futures]
        assert outcomes[0].status is SendStatus.ambiguous
        assert {(one.status, one.reason) for one in outcomes[1:]} == {(SendStatus.unsent, SendReason.closing)}
        assert transport.state()[0].connections == 0
        assert BODY in server.arrived[0].content
