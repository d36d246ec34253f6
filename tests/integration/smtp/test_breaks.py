"""Dialogues that break off, at every step and in every way: ambiguous, safe to retry, or never reused."""

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
    send,
)
from tests.support.smtp_server import Answer, Do, Script, ScriptedServer, Session
from tests.support.wait import eventually

both_ways = pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP], ids=["pipelining", "lock step"])
SHORT = Timeouts(*([0.5] * 8))
"""Only for a step that must time out: a busy machine may need as long for a reply that it does send."""


def times(how: str) -> Timeouts:
    """Return short timeouts for a server that stalls."""
    return SHORT if how == "stall" else PATIENT


def once(at: str, *answer: bytes | Do, sessions: int = 1) -> Script:
    """Break the first connections at a step of their second message; later ones work."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return answer if verb == at and session.number < sessions and len(session.arrived) >= 1 else None

    return script


BEFORE_END_OF_DATA = ["MAIL", "RCPT", "DATA"]
BREAKS: dict[str, tuple[bytes | Do, ...]] = {
    "close": (Do.close,),
    "reset": (Do.reset,),
    "garbage": (b"\x00\xff what\r\n",),
    "bare LF": (b"250 fine\n250 fine\r\n",),
    "wrong code": (b"299 odd\r\n",),
    "wrong positive code": (b"334 go\r\n",),
    "different codes in one reply": (b"250-one\r\n550 two\r\n",),
    "endless line": (b"250 " + b"x" * 9000,),
    "endless reply": (b"250-x\r\n" * 200,),
    "one reply too many": (b"250 fine\r\n354 more\r\n250 more\r\n250 more\r\n250 more\r\n",),
    "stall": (Do.stall,),
}


@both_ways
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("at", BEFORE_END_OF_DATA)
async def test_a_break_before_end_of_data_is_safe(at: str, how: str, extensions: tuple[str, ...]) -> None:
    """Retry on another connection after a break before the end of data: every message arrives exactly once."""
    async with (
        ScriptedServer(once(at, *BREAKS[how]), extensions=extensions) as server,
        engine(relay(server, timeouts=times(how))) as transport,
    ):
        results = await send(transport, *map(mail, range(4)))

        assert {result.status for result in results} == {SendStatus.accepted}, results
        received = sorted(message.recipients[0] for message in server.arrived)
        assert received == [f"RCPT TO:<user{number}@example.com>" for number in range(4)]
        assert len(server.sessions) == 2


@both_ways
@pytest.mark.parametrize("how", [name for name in BREAKS if name != "one reply too many"])
async def test_a_break_after_end_of_data_is_ambiguous(how: str, extensions: tuple[str, ...]) -> None:
    """Make only the message without a final reply ambiguous; send the one pipelined behind it once."""
    async with ScriptedServer(extensions=extensions) as server:
        seen: list[int] = []

        def script(session: Session, verb: str, line: str) -> Answer:
            if verb == "END" and session.number == 0 and len(session.arrived) == 2 and not seen:
                seen.append(1)
                return BREAKS[how]
            return None

        server.script = script
        async with engine(relay(server, timeouts=times(how))) as transport:
            results = await send(transport, *map(mail, range(4)))

        statuses = [result.status for result in results]
        assert statuses == [
            SendStatus.accepted,
            SendStatus.ambiguous,
            SendStatus.accepted,
            SendStatus.accepted,
        ]
        broken = results[1].reason
        assert broken is (
            Reason.lost_after_data if how in ("close", "reset", "stall") else Reason.malformed_reply
        )
        received = [message.recipients[0] for message in server.arrived]
        assert sorted(received) == [f"RCPT TO:<user{number}@example.com>" for number in range(4)]


@both_ways
@pytest.mark.parametrize("at", [*BEFORE_END_OF_DATA, "END"])
async def test_421_at_any_step(at: str, extensions: tuple[str, ...]) -> None:
    """Lose nothing and double nothing after 421.

    In reply to MAIL it is about the relay, which gets no more for a while. Later it may be about one recipient: only
    that message waits, and the others go by a new connection.
    """
    async with (
        ScriptedServer(once(at, b"421 4.3.2 Shutting down\r\n", Do.close), extensions=extensions) as server,
        engine(relay(server, cooldowns=Cooldowns(busy_s=30.0))) as transport,
    ):
        results = await send(transport, *map(mail, range(4)))

        unsent = [result for result in results if result.status is SendStatus.unsent]
        accepted = [result for result in results if result.status is SendStatus.accepted]
        deferred = [result for result in results if result.status is SendStatus.deferred]
        if at != "MAIL":
            assert (len(accepted), [result.reason for result in deferred]) == (3, [Reason.relay_busy])
            assert transport.state()[0].state == "ok"
            return
        assert (len(accepted), len(deferred)) == (1, 0)
        assert {result.reason for result in unsent} == {Reason.relay_unavailable}
        assert all(result.retry_after_s for result in unsent)
        assert transport.state()[0].state == "resting"


@both_ways
@pytest.mark.parametrize("at", [*BEFORE_END_OF_DATA, "END"])
async def test_rotation_is_no_failure(at: str, extensions: tuple[str, ...]) -> None:
    """Open a new connection, at no other cost, when a relay ends one after some messages."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == at and len(session.arrived) >= 2:
            return (b"421 4.7.0 Max messages per connection reached\r\n", Do.close)
        return None

    async with (
        ScriptedServer(script, extensions=extensions) as server,
        engine(relay(server, cooldowns=Cooldowns(busy_s=30.0))) as transport,
    ):
        results = await send(transport, *map(mail, range(7)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert transport.state()[0].state == "ok"


async def test_421_while_idle() -> None:
    """Count no failure for 421 or a close on an idle connection; send the next message on a new one."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (
            (b"250 ok\r\n", b"421 4.4.2 Timeout\r\n", Do.close)
            if verb == "END" and session.number < 6
            else None
        )

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        for number in range(8):
            (result,) = await send(transport, mail(number))
            assert result.status is SendStatus.accepted
        assert transport.state()[0].state == "ok"


async def test_unsolicited_bytes_end_a_connection() -> None:
    """Close a connection after unsolicited bytes: every later reply would be in doubt."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"250 ok\r\n", b"250 again\r\n") if verb == "END" and session.number == 0 else None

    async with ScriptedServer(script) as server:
        async with engine(relay(server)) as transport:
            (first,) = await send(transport, mail(0))
            await eventually(lambda: server.sessions[0].closed)
            (second,) = await send(transport, mail(1))

        assert first.status is second.status is SendStatus.accepted
        assert len(server.sessions) == 2


@both_ways
async def test_part_of_an_extra_reply(extensions: tuple[str, ...]) -> None:
    """Write no body if more than 354 has come: send the message once, on another connection."""
    async with (
        ScriptedServer(once("DATA", b"354 go\r\n250 a"), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        results = await send(transport, *map(mail, range(4)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert len(server.arrived) == 4


async def test_three_broken_connections_are_one_attempt() -> None:
    """Defer a message whose connections keep breaking, and count one attempt; the breaker is not open yet."""
    async with (
        ScriptedServer(lambda s, v, line: Do.close if v == "RCPT" else None) as server,
        engine(relay(server)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert (result.status, result.reason) == (SendStatus.deferred, Reason.relay_unavailable)
        assert len(server.sessions) == 3
        assert transport.state()[0].state == "ok"


@both_ways
async def test_large_bodies_do_not_deadlock(extensions: tuple[str, ...]) -> None:
    """Send megabytes, in both modes, to a server that writes long replies while it reads."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 40_000

    def script(session: Session, verb: str, line: str) -> Answer:
        return b"250-" + b"r" * 4000 + b"\r\n250 ok\r\n" if verb in ("END", "MAIL", "RCPT") else None

    async with ScriptedServer(script, extensions=extensions) as server, engine(relay(server)) as transport:
        results = await send(transport, *(mail(number, content=large) for number in range(6)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert all(message.content == large for message in server.arrived)


async def test_a_server_that_stops_reading() -> None:
    """Time out a body that cannot be written before its end of data: safe to retry, not ambiguous."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"354 go\r\n", Do.stop_reading) if verb == "DATA" and session.number < 3 else None

    async with (
        ScriptedServer(script, extensions=("PIPELINING",)) as server,
        engine(relay(server, timeouts=SHORT)) as transport,
    ):
        (result,) = await send(transport, mail(content=large))

        assert (result.status, result.reason) == (SendStatus.deferred, Reason.relay_unavailable)


async def test_refusal_during_a_body() -> None:
    """Use the reply of a server that refuses during the body; the message is not ambiguous."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "DATA" and session.number == 0:
            return (b"354 go\r\n", b"552 5.3.4 Message too big\r\n", Do.stop_reading)
        return None

    async with (
        ScriptedServer(script, extensions=("PIPELINING",)) as server,
        engine(relay(server)) as transport,
    ):
        large_one, small_one = await send(transport, mail(0, content=large), mail(1))

        assert (large_one.status, large_one.reason) == (SendStatus.bounced, Reason.too_big)
        assert small_one.status is SendStatus.accepted


async def test_close_without_drain_timeout() -> None:
    """Close at once: ambiguous beyond the end of data, unsent if queued, and no connection left."""
    reached = asyncio.Event()

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "END":
            reached.set()
            return Do.stall
        return None

    async with (
        ScriptedServer(script) as server,
        engine(relay(server, timeouts=PATIENT, cooldowns=SOON)) as transport,
    ):
        futures = [transport.submit(mail(number)) for number in range(4)]
        await asyncio.wait_for(reached.wait(), 30)
        await transport.close(0)

        results = [await future for future in futures]
        assert results[0].status is SendStatus.ambiguous
        assert {(one.status, one.reason) for one in results[1:]} == {(SendStatus.unsent, SendReason.closing)}
        assert transport.state()[0].connections == 0
        assert BODY in server.arrived[0].content
