"""Mail that meets no trouble: how it goes over the wire, and that each arrives once."""

import pytest

from service.model.mail import SendStatus
from service.model.reasons import SendReason
from tests.integration.smtp.rig import LOCK_STEP, PIPELINING, engine, mail, relay, results, until
from tests.support.smtp_server import Answer, ScriptedServer, Session


@pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP, ()], ids=["pipelining", "lock step", "bare"])
@pytest.mark.parametrize("connections", [1, 4])
async def test_every_mail_arrives_once(extensions: tuple[str, ...], connections: int) -> None:
    """All mails are accepted and each is received exactly once, whatever the relay offers."""
    async with ScriptedServer(extensions=extensions) as server:
        async with engine(relay(server, max_connections=connections)) as transport:
            outcomes = await results(transport, *map(mail, range(60)))

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        received = sorted(recipient for message in server.arrived for recipient in message.recipients)
        assert received == sorted(f"RCPT TO:<user{number}@example.com>" for number in range(60))
        assert len(server.sessions) <= connections


async def test_the_reply_comes_back() -> None:
    """An accepted mail carries the relay's name and words, so that the ledger can show the queue id."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        (outcome,) = await results(transport, mail())

        assert outcome.reply is not None
        assert (outcome.reply.code, outcome.reply.enhanced, outcome.reply.text) == (
            250,
            "2.0.0",
            "Ok: queued as 0",
        )
        assert (outcome.relay, outcome.phase, outcome.reason) == ("first", "final", SendReason.accepted)


async def test_one_round_trip_a_mail() -> None:
    """With PIPELINING the next envelope travels in the same write as the body and dot before it."""
    async with ScriptedServer() as server:
        async with engine(relay(server)) as transport:
            await results(transport, *map(mail, range(10)))

        chunks = [chunk for chunk in server.sessions[0].chunks if b"MAIL FROM" in chunk]
        assert len(chunks) == 10
        assert all(b"\r\n.\r\nMAIL FROM" in chunk and chunk.endswith(b"DATA\r\n") for chunk in chunks[1:])


async def test_lock_step_sends_one_command_at_a_time() -> None:
    """Without PIPELINING nothing is sent before the last reply came."""
    async with ScriptedServer(extensions=LOCK_STEP) as server:
        async with engine(relay(server)) as transport:
            await results(transport, *map(mail, range(3)))

        commands = [chunk for chunk in server.sessions[0].chunks if not chunk.endswith(b"\r\n.\r\n")]
        assert all(chunk.count(b"\r\n") == 1 for chunk in commands)


async def test_replies_in_pieces() -> None:
    """A reply may come byte by byte, and in many lines."""
    pieces = tuple(bytes([byte]) for byte in b"250-2.1.5 first\r\n250-2.1.5 second\r\n250 2.1.5 Ok\r\n")

    def script(session: Session, verb: str, line: str) -> Answer:
        return pieces if verb in ("RCPT", "END") else None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        outcomes = await results(transport, *map(mail, range(3)))

        assert [outcome.status for outcome in outcomes] == [SendStatus.accepted] * 3
        assert outcomes[0].reply is not None
        assert outcomes[0].reply.text == "first second Ok"


async def test_long_lines_are_read_and_cut() -> None:
    """A line of 8 kB is read whole; the text kept of it is bounded."""
    async with (
        ScriptedServer(lambda s, v, line: b"250 " + b"x" * 8180 + b"\r\n" if v == "END" else None) as server,
        engine(relay(server)) as transport,
    ):
        (outcome,) = await results(transport, mail())

        assert outcome.status is SendStatus.accepted
        assert outcome.reply is not None
        assert len(outcome.reply.text) == 500


async def test_mails_a_connection() -> None:
    """A connection that has carried its share says QUIT, and the next takes over."""
    async with ScriptedServer() as server:
        async with engine(relay(server, max_mails_per_connection=3)) as transport:
            await results(transport, *map(mail, range(7)))
            await until(lambda: len(server.sessions) == 3 and "QUIT" in server.sessions[0].verbs)

        assert [len(session.arrived) for session in server.sessions] == [3, 3, 1]


async def test_age_and_idleness_close_a_connection() -> None:
    """An idle connection is closed after its time, and one that is too old takes no further mail."""
    async with ScriptedServer() as server:
        async with engine(relay(server, idle_close_s=0.1)) as transport:
            await results(transport, mail())
            await until(lambda: server.sessions[0].verbs[-1] == "QUIT")
        async with engine(relay(server, max_connection_age_s=0.0)) as transport:
            await until(lambda: transport.state()[0].connections == 0 and len(server.sessions) >= 2)

        assert server.sessions[1].arrived == []


async def test_cancelled_before_it_began() -> None:
    """Cancelling a queued mail forgets it; one that is on its way ends its dialogue, and the connection lives on."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        first, second, third = (transport.submit(mail(number)) for number in range(3))
        second.cancel()
        await until(lambda: "MAIL" in server.sessions[0].verbs if server.sessions else False)
        first.cancel()
        assert (await third).status is SendStatus.accepted

        recipients = [message.recipients[0] for message in server.arrived]
        assert "RCPT TO:<user1@example.com>" not in recipients
        assert "RCPT TO:<user2@example.com>" in recipients
        assert len(server.sessions) == 1


async def test_close_finishes_what_is_queued() -> None:
    """Within its time, `close` lets every queued mail go out; after it, submit says so."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        futures = [transport.submit(mail(number)) for number in range(30)]
        await transport.close(60)

        assert {(await future).status for future in futures} == {SendStatus.accepted}
        assert len(server.arrived) == 30
        assert server.sessions[0].verbs[-1] == "QUIT"
        late = await transport.submit(mail())
        assert (late.status, late.reason) == (SendStatus.unsent, SendReason.closing)
