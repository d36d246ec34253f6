"""The message that the server received: exactly one, byte for byte, for the submitted address."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from service.adapters.smtp import Cooldowns, Relay
from service.model.address import ascii_address
from service.model.mail import OutgoingMail, SendStatus
from service.model.reasons import Reason, SendReason
from tests.integration.smtp.rig import PIPELINING, engine, mail, relay, send
from tests.support.paths import CORPORA
from tests.support.smtp_server import ScriptedServer, closed_port
from tests.support.wait import eventually

HEAD = b"Subject: x\r\n\r\n"
SECOND = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n"
# Every sequence that some server is known to accept as an end of data.
ENDS = [
    before + b"." + after
    for before in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n\x00", b"\n\n", b"\r\n\r\n")
    for after in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\x00\r\n")
]
ACCEPTED_ENDS = (b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n")


def corpus(name: str) -> Path:
    path = CORPORA / name
    if not path.is_file():
        pytest.skip(f"no {name}: set TOCSIN_CORPORA to the folder that holds it")
    return path


@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_no_end_of_data_can_be_smuggled_in_the_body(end: bytes) -> None:
    """Let no variant of the end of data in a body make two messages, even at a server that accepts every variant."""
    content = HEAD + b"first" + end + SECOND
    async with ScriptedServer(end_of_data=ACCEPTED_ENDS) as server:
        async with engine(relay(server)) as transport:
            smuggling, honest = await send(transport, mail(0, content=content), mail(1))

        plain = end.replace(b"\r\n", b"")
        if any(byte in plain for byte in b"\r\n\x00"):
            assert (smuggling.status, smuggling.reason) == (SendStatus.bounced, Reason.invalid_content)
        else:
            assert smuggling.status is SendStatus.accepted
            assert server.arrived[0].content == content
        assert honest.status is SendStatus.accepted
        assert len(server.arrived) == (2 if smuggling.status is SendStatus.accepted else 1)
        assert not any("victim@" in line for session in server.sessions for line in session.lines)


@pytest.mark.parametrize("field", ["sender", "recipient", "delivery_id"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_no_command_can_be_smuggled_in_the_envelope(field: str, end: bytes) -> None:
    """Let no field of the envelope carry commands."""
    evil = "a" + end.decode() + "MAIL FROM:<evil@example.com>"
    fields = {"sender": "a@example.com", "recipient": "b@example.com", "delivery_id": "d"}
    fields[field] = evil + "@example.com" if field != "delivery_id" else evil
    async with ScriptedServer() as server, engine(relay(server, dsn=True)) as transport:
        (result,) = await send(transport, OutgoingMail(content=HEAD, **fields))

        if field == "delivery_id":
            assert result.status is SendStatus.accepted
        else:
            assert (result.status, result.reason) == (SendStatus.bounced, Reason.invalid_address)
        assert not any(
            "evil" in line and "ENVID" not in line for one in server.sessions for line in one.lines
        )


@pytest.mark.parametrize("content", [
    HEAD + b".\r\n", HEAD + b"..\r\n.\r\n...\r\n.x\r\n", b".Subject: dot first\r\n\r\n.\r\n.\r\n", b".\r\n", HEAD,
    HEAD + b"x" * 5000 + b"\r\n", HEAD + (b"." * 77 + b"\r\n") * 2000, HEAD + b"\r\n" * 100_000,
])  # fmt: skip
async def test_content_arrives_unchanged(content: bytes) -> None:
    """Deliver leading dots, empty and over-long lines unchanged."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        (result,) = await send(transport, mail(content=content))

        assert result.status is SendStatus.accepted
        assert server.arrived[0].content == content


async def test_naughty_strings_in_the_content() -> None:
    """Deliver every naughty string as a line of a message unchanged, or refuse the message; make no second one."""
    strings = json.loads(corpus("naughty_strings.json").read_text())
    messages = [mail(n, content=HEAD + text.encode() + b"\r\n") for n, text in enumerate(strings)]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        results = await send(transport, *messages)

        arrived = [message.content for message in server.arrived]
        accepted = [
            one.content for one, result in zip(messages, results, strict=True) if result.status == "accepted"
        ]
        assert arrived == accepted
        assert len(accepted) > 500


def _addresses() -> list[str]:
    addresses = []
    for test in ElementTree.parse(corpus("isemail_tests.xml")).iter("test"):
        text = test.findtext("address") or ""
        addresses.append("".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in text))
    for name in ("mailbox_valid.txt", "mailbox_invalid.txt"):
        lines = corpus(name).read_text().splitlines()
        addresses.extend(line for line in lines if line and not line.startswith("#"))
    return addresses


async def test_the_address_on_the_wire_is_the_submitted_one() -> None:
    """Refuse each address of the corpora with nothing sent, or send exactly it in RCPT TO, the domain in A-labels."""
    addresses = _addresses()
    addresses += ["<evil@y.com>victim@x.com", '"victim@x.com" <evil@y.com>', "victim@x.com,<evil@y.com>"]
    addresses += ['"a\r\nDATA"@x.com', "a@b.com>", "<a@b.com", "a@b.com SIZE=1", "a@b.com\u2028", "a b@c.com"]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        results = await send(transport, *(mail(n, address) for n, address in enumerate(addresses)))

        sent = [address for address, one in zip(addresses, results, strict=True) if one.status == "accepted"]
        assert [message.recipients for message in server.arrived] == [
            [f"RCPT TO:<{ascii_address(address) or address}>"] for address in sent
        ]
        assert {one.reason for one in results} == {SendReason.accepted, Reason.invalid_address}
        assert len(sent) > 40


async def test_the_null_sender() -> None:
    """Send an empty sender as the null reverse-path."""
    async with ScriptedServer(extensions=()) as server, engine(relay(server)) as transport:
        await send(transport, mail(sender=""))

        assert server.arrived[0].sender == "MAIL FROM:<>"


async def test_8bit_content() -> None:
    """Send BODY=8BITMIME for 8-bit content only; send no 8-bit content to a relay without 8BITMIME."""
    eight = HEAD + "grüß\r\n".encode()
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        await send(transport, mail(0, content=eight), mail(1))
        assert [" BODY=8BITMIME" in message.sender for message in server.arrived] == [True, False]
    async with ScriptedServer(extensions=("PIPELINING",)) as server, engine(relay(server)) as transport:
        (result, after) = await send(transport, mail(0, content=eight), mail(1))
        assert (result.status, result.reason) == (SendStatus.bounced, Reason.eightbit_unsupported)
        assert after.status is SendStatus.accepted
        assert len(server.arrived) == 1


async def test_international_addresses() -> None:
    """Send SMTPUTF8 only for a local part beyond ASCII: a domain goes as A-labels to every relay (RFC 6531 3.4)."""
    addresses = ["jürgen@example.com", "info@bücher.example", "plain@example.com"]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        await send(transport, *(mail(n, one) for n, one in enumerate(addresses)))
        assert [message.recipients[0] for message in server.arrived] == [
            "RCPT TO:<jürgen@example.com>",
            "RCPT TO:<info@xn--bcher-kva.example>",
            "RCPT TO:<plain@example.com>",
        ]
        assert [" SMTPUTF8" in message.sender for message in server.arrived] == [True, False, False]
    async with ScriptedServer(extensions=("PIPELINING",)) as server, engine(relay(server)) as transport:
        local, domain, plain = await send(transport, *(mail(n, one) for n, one in enumerate(addresses)))
        assert (local.status, local.reason) == (SendStatus.bounced, Reason.smtputf8_unsupported)
        assert domain.status is plain.status is SendStatus.accepted
        assert server.arrived[0].recipients == ["RCPT TO:<info@xn--bcher-kva.example>"]


async def test_size() -> None:
    """Announce the size; refuse a message beyond the relay's limit before anything is sent."""
    async with (
        ScriptedServer(extensions=("PIPELINING", "SIZE 1000")) as server,
        engine(relay(server)) as transport,
    ):
        fits, too_big = await send(transport, mail(0), mail(1, content=HEAD + b"x\r\n" * 400))

        assert fits.status is SendStatus.accepted
        assert (too_big.status, too_big.reason) == (SendStatus.bounced, Reason.too_big)
        assert server.arrived[0].sender.endswith(f" SIZE={len(mail().content)}")
        assert server.sessions[0].verbs.count("MAIL") == 1


@pytest.mark.parametrize(
    "message",
    [
        mail(0, content=HEAD + "grüß\r\n".encode()),
        mail(0, "jürgen@example.com"),
        mail(0, content=HEAD + b"x\r\n" * 400),
    ],
    ids=["8-bit", "international", "large"],
)
async def test_the_next_relay_takes_what_the_first_one_cannot(message: OutgoingMail) -> None:
    """Offer a message to the relays that support it; the others stay with the first one."""
    async with (
        ScriptedServer(extensions=("PIPELINING", "SIZE 1000")) as poor,
        ScriptedServer() as good,
        engine(relay(poor), relay(good, "second")) as transport,
    ):
        results = await send(transport, message, mail(1), message)

        assert [(one.status, one.relay) for one in results] == [
            (SendStatus.accepted, "second"),
            (SendStatus.accepted, "first"),
            (SendStatus.accepted, "second"),
        ]


async def test_what_only_an_unavailable_relay_can_take_waits() -> None:
    """Defer a message that the only relay for it cannot take now: it is given up only where no relay can take it."""
    async with ScriptedServer(extensions=("PIPELINING", "SIZE 1000")) as poor, closed_port() as port:
        away = Relay("second", "127.0.0.1", port, security="none", cooldowns=Cooldowns(unavailable_s=30.0))
        async with engine(relay(poor), away) as transport:
            await eventually(lambda: transport.state()[1].state == "breaker_open")
            large, small = await send(transport, mail(0, content=HEAD + b"x\r\n" * 400), mail(1))

            assert (large.status, large.reason) == (SendStatus.deferred, Reason.relay_unavailable)
            assert small.status is SendStatus.accepted


@pytest.mark.parametrize("extensions", [PIPELINING, ("DSN",)])
async def test_delivery_status(extensions: tuple[str, ...]) -> None:
    """Request reports that name the delivery from a relay with `dsn` that offers DSN."""
    async with ScriptedServer(extensions=extensions) as server, engine(relay(server, dsn=True)) as transport:
        await send(transport, mail(7))

        assert " RET=HDRS ENVID=delivery7" in server.arrived[0].sender
        assert server.arrived[0].recipients == ["RCPT TO:<user7@example.com> NOTIFY=FAILURE,DELAY"]
