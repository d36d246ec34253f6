"""Messages that meet no failure: the commands on the wire, and each message arriving once."""

import asyncio

import pytest

from service.model.mail import SendStatus
from service.model.reasons import SendReason
from tests.integration.smtp.rig import LOCK_STEP, PIPELINING, engine, mail, relay, send
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session
from tests.support.wait import eventually


@pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP, ()], ids=["pipelining", "lock step", "bare"])
@pytest.mark.parametrize("connections", [1, 4])
async def test_every_message_arrives_once(extensions: tuple[str, ...], connections: int) -> None:
    """Send every message exactly once, whatever the relay offers."""
    async with ScriptedServer(extensions=extensions) as server:
        async with engine(relay(server, max_connections=connections)) as transport:
            results = await send(transport, *map(mail, range(60)))

        assert {result.status for result in results} == {SendStatus.accepted}
        received = sorted(recipient for message in server.arrived for recipient in message.recipients)
        assert received == sorted(f"RCPT TO:<user{number}@example.com>" for number in range(60))
        assert len(server.sessions) <= connections


async def test_the_result_has_the_reply() -> None:
    """Return the relay's name and reply with an accepted message, so that the ledger can show the queue id."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        (result,) = await send(transport, mail())

        assert result.reply is not None
        assert (result.reply.code, result.reply.enhanced, result.reply.text) == (
            250,
            "2.0.0",
            "Ok: queued as 0",
        )
        assert (result.relay, result.phase, result.reason) == ("first", "final", SendReason.accepted)


async def test_one_round_trip_per_message() -> None:
    """Write the next envelope together with the body and end of data before it when the relay offers PIPELINING."""
    async with ScriptedServer() as server:
        async with engine(relay(server)) as transport:
            await send(transport, *map(mail, range(10)))

        chunks = [chunk for chunk in server.sessions[0].chunks if b"MAIL FROM" in chunk]
        assert len(chunks) == 10
        assert all(b"\r\n.\r\nMAIL FROM" in chunk and chunk.endswith(b"DATA\r\n") for chunk in chunks[1:])


async def test_lock_step_sends_one_command_at_a_time() -> None:
    """Send nothing before the last reply came when the relay does not offer PIPELINING."""
    async with ScriptedServer(extensions=LOCK_STEP) as server:
        async with engine(relay(server)) as transport:
            await send(transport, *map(mail, range(3)))

        commands = [chunk for chunk in server.sessions[0].chunks if not chunk.endswith(b"\r\n.\r\n")]
        assert all(chunk.count(b"\r\n") == 1 for chunk in commands)


async def test_replies_in_pieces() -> None:
    """Read replies that come byte by byte, and in many lines."""
    pieces = tuple(bytes([byte]) for byte in b"250-2.1.5 first\r\n250-2.1.5 second\r\n250 2.1.5 Ok\r\n")

    def script(session: Session, verb: str, line: str) -> Answer:
        return pieces if verb in ("RCPT", "END") else None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        results = await send(transport, *map(mail, range(3)))

        assert [result.status for result in results] == [SendStatus.accepted] * 3
        assert results[0].reply is not None
        assert results[0].reply.text == "first second Ok"


async def test_long_lines_are_read_and_cut() -> None:
    """Read a line of 8 kB completely; keep a bounded text of it."""
    async with (
        ScriptedServer(lambda s, v, line: b"250 " + b"x" * 8180 + b"\r\n" if v == "END" else None) as server,
        engine(relay(server)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert result.status is SendStatus.accepted
        assert result.reply is not None
        assert len(result.reply.text) == 500


async def test_maximum_of_messages_per_connection() -> None:
    """Send QUIT after the maximum number of messages, and continue on a new connection."""
    async with ScriptedServer() as server:
        async with engine(relay(server, max_mails_per_connection=3)) as transport:
            await send(transport, *map(mail, range(7)))
            await eventually(lambda: len(server.sessions) == 3 and "QUIT" in server.sessions[0].verbs)

        assert [len(session.arrived) for session in server.sessions] == [3, 3, 1]


async def test_age_and_idleness_close_a_connection() -> None:
    """Close an idle connection after its time; send no message on one that is too old."""
    async with ScriptedServer() as server:
        async with engine(relay(server, idle_close_s=0.1)) as transport:
            await send(transport, mail())
            await eventually(lambda: server.sessions[0].verbs[-1] == "QUIT")
        async with engine(relay(server, max_connection_age_s=0.0)) as transport:
            await eventually(lambda: transport.state()[0].connections == 0 and len(server.sessions) >= 2)

        assert server.sessions[1].arrived == []


async def test_cancelled_before_it_is_sent() -> None:
    """Drop a queued message when it is cancelled; complete the dialogue of one in flight and keep the connection."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        first, second, third = (transport.submit(mail(number)) for number in range(3))
        second.cancel()
        await eventually(lambda: "MAIL" in server.sessions[0].verbs if server.sessions else False)
        first.cancel()
        assert (await third).status is SendStatus.accepted

        recipients = [message.recipients[0] for message in server.arrived]
        assert "RCPT TO:<user1@example.com>" not in recipients
        assert "RCPT TO:<user2@example.com>" in recipients
        assert len(server.sessions) == 1


async def test_close_waits_for_a_reply_and_returns_the_rest_at_once() -> None:
    """A message at the relay gets its reply within the drain timeout; the others come back unsent before that."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (Do.hold, b"250 2.0.0 Ok\r\n") if verb == "END" else None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        futures = [transport.submit(mail(number)) for number in range(30)]
        await eventually(lambda: bool(server.arrived))
        closing = asyncio.create_task(transport.close(60))
        unsent = await asyncio.gather(*futures[1:])

        assert {(one.status, one.reason) for one in unsent} == {(SendStatus.unsent, SendReason.closing)}
        assert not closing.done()
        server.release()
        assert (await futures[0]).status is SendStatus.accepted
        await closing
        assert len(server.arrived) == 1
        late = await transport.submit(mail())
        assert (late.status, late.reason) == (SendStatus.unsent, SendReason.closing)
