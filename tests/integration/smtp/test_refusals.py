"""Refusals: each message gets its own result, and the next one on the connection is not affected."""

import logging

import pytest
from structlog.testing import capture_logs

from service.adapters.smtp import pool
from service.model.mail import SendStatus
from service.model.reasons import Reason
from tests.integration.smtp.rig import LOCK_STEP, PIPELINING, engine, mail, relay, send
from tests.support.smtp_server import Answer, Do, Script, ScriptedServer, Session

both_ways = pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP], ids=["pipelining", "lock step"])


def refusing(at: str, reply: bytes) -> Script:
    """Refuse the second message of a connection at a step, accept all others."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return reply if verb == at and session.verbs.count("MAIL") == 2 else None

    return script


@both_ways
@pytest.mark.parametrize("reply", [b"550 5.1.1 No such user\r\n", b"450 4.2.0 Later\r\n"])
async def test_recipient_refused(extensions: tuple[str, ...], reply: bytes) -> None:
    """Send one RSET when RCPT is refused and DATA gets 503; the others arrive on the same connection."""
    async with (
        ScriptedServer(refusing("RCPT", reply), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        before, refused, after = await send(transport, *map(mail, range(3)))

        assert before.status is after.status is SendStatus.accepted
        assert refused.status is (SendStatus.bounced if reply.startswith(b"5") else SendStatus.deferred)
        assert refused.phase == "rcpt"
        assert refused.suppress is reply.startswith(b"5")
        assert len(server.arrived) == 2
        assert len(server.sessions) == 1
        assert server.sessions[0].verbs.count("RSET") == 1


@pytest.mark.parametrize("final", [None, b"250 2.0.0 Ok\r\n", b"554 5.5.1 No valid recipients\r\n"])
async def test_recipient_refused_but_data_accepted(final: bytes | None) -> None:
    """Send the end of data alone if 354 follows a refused RCPT: nothing is delivered, the next message is complete."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "RCPT" and "user1@" in line:
            return b"550 5.1.1 No such user\r\n"
        if verb == "DATA" and not session.recipients:
            return (b"354 Go ahead\r\n", Do.invite)
        if verb == "END" and not session.arrived[-1:] and final:
            return final
        return None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        refused, after = await send(transport, mail(1), mail(2))

        assert (refused.status, refused.reason) == (SendStatus.bounced, Reason.mailbox_unknown)
        assert after.status is SendStatus.accepted
        assert [message.recipients for message in server.arrived] == [["RCPT TO:<user2@example.com>"]]
        assert server.arrived[0].content == mail().content
        assert len(server.sessions) == 1


async def test_mail_refused_but_recipient_accepted() -> None:
    """Close if RCPT and DATA are accepted after MAIL was refused: an end of data would deliver an empty message."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if session.number:
            return None
        if verb == "MAIL":
            return b"452 4.3.1 Out of space\r\n"
        if verb == "RCPT":
            return b"250 2.1.5 Ok\r\n"
        return None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        refused, after = await send(transport, mail(1), mail(2))

        assert (refused.status, refused.phase) == (SendStatus.deferred, "mail")
        assert after.status is SendStatus.accepted
        assert server.sessions[0].arrived == []
        assert len(server.arrived) == 1


@both_ways
async def test_sender_refused_for_this_message(extensions: tuple[str, ...]) -> None:
    """Defer the message after a temporary refusal of MAIL, and keep the connection."""
    async with (
        ScriptedServer(refusing("MAIL", b"451 4.3.0 Try later\r\n"), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        before, refused, after = await send(transport, *map(mail, range(3)))

        assert (refused.status, refused.phase) == (SendStatus.deferred, "mail")
        assert before.status is after.status is SendStatus.accepted
        assert len(server.sessions) == 1


@both_ways
@pytest.mark.parametrize("reply", [b"554 5.7.1 Message policy\r\n", b"451 4.3.0 Try later\r\n"])
async def test_data_refused(extensions: tuple[str, ...], reply: bytes) -> None:
    """Reset the transaction when DATA is refused, and send the next message on the same connection."""
    async with (
        ScriptedServer(refusing("DATA", reply), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        before, refused, after = await send(transport, *map(mail, range(3)))

        assert refused.status is (SendStatus.bounced if reply.startswith(b"5") else SendStatus.deferred)
        assert (before.status, after.status, refused.phase) == (
            SendStatus.accepted,
            SendStatus.accepted,
            "data",
        )
        assert len(server.sessions) == 1


@both_ways
@pytest.mark.parametrize("reply", [b"554 5.7.1 Spam\r\n", b"451 4.7.1 Greylisted\r\n"])
async def test_final_refused(extensions: tuple[str, ...], reply: bytes) -> None:
    """Apply the final reply to its own message only, although the next envelope is out already."""
    async with (
        ScriptedServer(refusing("END", reply), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        before, refused, after = await send(transport, *map(mail, range(3)))

        assert refused.status is (SendStatus.bounced if reply.startswith(b"5") else SendStatus.deferred)
        assert (before.status, after.status, refused.phase) == (
            SendStatus.accepted,
            SendStatus.accepted,
            "final",
        )
        assert len(server.sessions) == 1


async def test_bad_sequence_does_not_cascade() -> None:
    """Leave a connection that replies 503 to everything, and send the batch on another one."""

    def script(session: Session, verb: str, line: str) -> Answer:
        confused = session.number == 0 and len(session.arrived) >= 1
        return (
            b"503 5.5.1 Bad sequence\r\n" if confused and verb in ("MAIL", "RCPT", "DATA", "RSET") else None
        )

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        results = await send(transport, *map(mail, range(10)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert len(server.arrived) == 10
        assert len(server.sessions) == 2


async def test_mixed_results() -> None:
    """Return the result scripted for each of hundreds of messages, by its address, over several connections."""
    replies = {
        "ok": (b"", SendStatus.accepted),
        "unknown": (b"550 5.1.1 User unknown\r\n", SendStatus.bounced),
        "grey": (b"451 4.7.1 Greylisted, try again in 60 seconds\r\n", SendStatus.deferred),
    }

    def script(session: Session, verb: str, line: str) -> Answer:
        return (
            next((replies[kind][0] for kind in replies if verb == "RCPT" and f"{kind}." in line), b"") or None
        )

    names = [f"{kind}.{number}@example.com" for number in range(100) for kind in replies]
    async with ScriptedServer(script) as server, engine(relay(server, max_connections=3)) as transport:
        results = await send(transport, *(mail(0, name) for name in names))

        expected = [replies[name.split(".")[0]][1] for name in names]
        assert [result.status for result in results] == expected
        assert len(server.arrived) == 100


@both_ways
async def test_each_refusal_is_logged_at_debug(
    extensions: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Log relay, phase and codes of each refusal, with no address in the text; log nothing for accepted messages."""
    reply = b"550 5.1.1 <user1@example.com>: No such user\r\n"
    caplog.set_level(logging.DEBUG, pool.__name__)
    async with (
        ScriptedServer(refusing("RCPT", reply), extensions=extensions) as server,
        engine(relay(server)) as transport,
    ):
        with capture_logs() as lines:
            _, refused, _ = await send(transport, *map(mail, range(3)))

    assert lines == [
        {
            "log_level": "debug", "event": "smtp_reply", "delivery": "delivery1", "relay": "first",
            "phase": refused.phase, "code": 550, "enhanced": "5.1.1", "text": "<u•••@e•••.com>: No such user",
            "reason": "mailbox_unknown", "rule": "mailbox unknown",
        }
    ]  # fmt: skip


async def test_no_refusal_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Build no log line while the level is above DEBUG."""
    caplog.set_level(logging.INFO, pool.__name__)
    async with (
        ScriptedServer(refusing("RCPT", b"550 5.1.1 No such user\r\n")) as server,
        engine(relay(server)) as transport,
    ):
        with capture_logs() as lines:
            await send(transport, *map(mail, range(3)))

    assert lines == []
