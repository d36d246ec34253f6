"""TLS: exactly as the settings demand, or nothing is sent."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from service.model.mail import SendStatus
from service.model.reasons import SendReason
from tests.integration.smtp.rig import PIPELINING, engine, mail, relay, send
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA) -> Iterator[Path]:
    with authority.cert_pem.tempfile() as path:
        yield Path(path)


def context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(server_context)
    return server_context


async def test_starttls_and_auth(authority: trustme.CA, ca_file: Path) -> None:
    """Send the password and every message encrypted after STARTTLS, and pipelined as without TLS."""
    async with (
        ScriptedServer(tls=context(authority), extensions=(*PIPELINING, "STARTTLS", "AUTH PLAIN")) as server,
        engine(relay(server, security="starttls", ca_file=ca_file, username="u", password="p")) as transport,
    ):
        results = await send(transport, *map(mail, range(20)))

        assert {result.status for result in results} == {SendStatus.accepted}
        session = server.sessions[0]
        assert session.tls
        assert session.verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
        assert len(server.arrived) == 20


async def test_implicit_tls(authority: trustme.CA, ca_file: Path) -> None:
    """Send large bodies over implicit TLS."""
    large = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20_000
    async with (
        ScriptedServer(tls=context(authority), implicit_tls=True) as server,
        engine(relay(server, security="tls", ca_file=ca_file)) as transport,
    ):
        results = await send(transport, *(mail(number, content=large) for number in range(5)))

        assert {result.status for result in results} == {SendStatus.accepted}
        assert {len(message.content) for message in server.arrived} == {len(large)}


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("why", ["wrong name", "unknown authority"])
async def test_certificates_are_checked(
    authority: trustme.CA, ca_file: Path, implicit: bool, why: str
) -> None:
    """Report a certificate for another name, or of another authority, as misconfigured, and send nothing."""
    issuer, name = (authority, "elsewhere.test") if why == "wrong name" else (trustme.CA(), "127.0.0.1")
    async with (
        ScriptedServer(
            tls=context(issuer, name), implicit_tls=implicit, extensions=("STARTTLS", "AUTH PLAIN")
        ) as server,
        engine(
            relay(
                server,
                security="tls" if implicit else "starttls",
                ca_file=ca_file,
                username="u",
                password="p",
            )
        ) as transport,
    ):
        (result,) = await send(transport, mail())

        assert (result.status, result.reason) == (SendStatus.unsent, SendReason.misconfigured)
        assert "certificate verify failed" in transport.state()[0].detail
        assert not any("AUTH" in session.verbs for session in server.sessions)


async def test_verify_off(authority: trustme.CA) -> None:
    """Accept any certificate with `verify=False`."""
    async with (
        ScriptedServer(tls=context(trustme.CA(), "x.test"), extensions=("STARTTLS",)) as server,
        engine(relay(server, security="starttls", verify=False)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert result.status is SendStatus.accepted


async def test_stripped_starttls() -> None:
    """Send neither password nor message to a relay that does not offer the STARTTLS which the settings demand."""
    async with (
        ScriptedServer(extensions=("PIPELINING", "AUTH PLAIN")) as server,
        engine(relay(server, security="starttls", username="u", password="p")) as transport,
    ):
        (result,) = await send(transport, mail())

        assert (result.status, result.reason) == (SendStatus.unsent, SendReason.misconfigured)
        assert {verb for session in server.sessions for verb in session.verbs} <= {"EHLO", "QUIT"}


async def test_bytes_after_starttls(authority: trustme.CA, ca_file: Path) -> None:
    """Never use replies injected in the clear behind 220 as the encrypted server's (RFC 3207 section 4.2)."""

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "STARTTLS":
            return (b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n", Do.starttls)
        return None

    async with (
        ScriptedServer(script, tls=context(authority), extensions=(*PIPELINING, "STARTTLS")) as server,
        engine(relay(server, security="starttls", ca_file=ca_file)) as transport,
    ):
        (result,) = await send(transport, mail())

        assert result.status is SendStatus.accepted
        assert server.sessions[0].tls
        assert len(server.arrived) == 1


async def test_a_password_never_goes_in_the_clear() -> None:
    """Refuse the settings of a relay on another host with a password and no TLS."""
    async with ScriptedServer() as server:
        with pytest.raises(ValueError, match="needs security"):
            relay(server, host="mail.example.com", username="u", password="p")
        assert "secret" not in repr(relay(server, username="u", password="secret"))
