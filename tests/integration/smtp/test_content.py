"""What the server received: one message, byte for byte, to the address that was given."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from service.model.mail import OutgoingMail, SendStatus
from service.model.reasons import Reason, SendReason
from tests.integration.smtp.rig import PIPELINING, engine, mail, relay, results
from tests.support.paths import CORPORA
from tests.support.smtp_server import ScriptedServer

HEAD = b"Subject: x\r\n\r\n"
SECOND = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n"
# Every way to write an end of data that some server has been known to take for one.
ENDS = [
    before + b"." + after
    for before in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n\x00", b"\n\n", b"\r\n\r\n")
    for after in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\x00\r\n")
]
TAKEN_FOR_ENDS = (b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n")


def corpus(name: str) -> Path:
    path = CORPORA / name
    if not path.is_file():
        pytest.skip(f"no {name}: set TOCSIN_CORPORA to the folder that holds it")
    return path


@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_no_end_of_data_can_be_smuggled(end: bytes) -> None:
    """No variant of the final dot in a mail makes two of it, not even at a server that takes every variant."""
    content = HEAD + b"first" + end + SECOND
    async with ScriptedServer(end_of_data=TAKEN_FOR_ENDS) as server:
        async with engine(relay(server)) as transport:
            smuggling, honest = await results(transport, mail(0, content=content), mail(1))

        plain = end.replace(b"\r\n", b"")
        if any(byte in plain for byte in b"\r\n\x00"):
            assert (smuggling.status, smuggling.reason) == (SendStatus.bounced, Reason.invalid_content)
        else:
            assert smuggling.status is SendStatus.accepted
            assert server.arrived[0].content == content
        assert honest.status is SendStatus.accepted
        assert len(server.arrived) == (2 if smuggling.status is SendStatus.accepted else 1)
        assert not any("victim@" in line for session in server.sessions for line in session.lines)


@pytest.mark.parametrize("place", ["sender", "recipient", "delivery_id"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_nor_through_another_field(place: str, end: bytes) -> None:
    """The envelope cannot carry commands either."""
    evil = "a" + end.decode() + "MAIL FROM:<evil@example.com>"
    fields = {"sender": "a@example.com", "recipient": "b@example.com", "delivery_id": "d"}
    fields[place] = evil + "@example.com" if place != "delivery_id" else evil
    async with ScriptedServer() as server, engine(relay(server, dsn=True)) as transport:
        (outcome,) = await results(transport, OutgoingMail(content=HEAD, **fields))

        if place == "delivery_id":
            assert outcome.status is SendStatus.accepted
        else:
            assert (outcome.status, outcome.reason) == (SendStatus.bounced, Reason.invalid_address)
        assert not any(
            "evil" in line and "ENVID" not in line for one in server.sessions for line in one.lines
        )


@pytest.mark.parametrize("content", [
    HEAD + b".\r\n", HEAD + b"..\r\n.\r\n...\r\n.x\r\n", b".Subject: dot first\r\n\r\n.\r\n.\r\n", b".\r\n", HEAD,
    HEAD + b"x" * 5000 + b"\r\n", HEAD + (b"." * 77 + b"\r\n") * 2000, HEAD + b"\r\n" * 100_000,
])  # fmt: skip
async def test_what_was_given_is_what_arrives(content: bytes) -> None:
    """Leading dots, empty and over-long lines arrive as they were."""
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        (outcome,) = await results(transport, mail(content=content))

        assert outcome.status is SendStatus.accepted
        assert server.arrived[0].content == content


async def test_naughty_strings_in_the_content() -> None:
    """Every naughty string as a line of a mail arrives as it is or is refused whole; none makes a second mail."""
    strings = json.loads(corpus("naughty_strings.json").read_text())
    mails = [mail(n, content=HEAD + text.encode() + b"\r\n") for n, text in enumerate(strings)]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        outcomes = await results(transport, *mails)

        arrived = [message.content for message in server.arrived]
        taken = [
            one.content for one, outcome in zip(mails, outcomes, strict=True) if outcome.status == "accepted"
        ]
        assert arrived == taken
        assert len(taken) > 500


def _addresses() -> list[str]:
    found = []
    for test in ElementTree.parse(corpus("isemail_tests.xml")).iter("test"):
        text = test.findtext("address") or ""
        found.append("".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in text))
    for name in ("mailbox_valid.txt", "mailbox_invalid.txt"):
        lines = corpus(name).read_text().splitlines()
        found.extend(line for line in lines if line and not line.startswith("#"))
    return found


async def test_the_address_on_the_wire_is_the_one_given() -> None:
    """For every address of the corpora: refused with nothing sent, or RCPT TO carries exactly it."""
    addresses = _addresses()
    addresses += ["<evil@y.com>victim@x.com", '"victim@x.com" <evil@y.com>', "victim@x.com,<evil@y.com>"]
    addresses += ['"a\r\nDATA"@x.com', "a@b.com>", "<a@b.com", "a@b.com SIZE=1", "a@b.com\u2028", "a b@c.com"]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        outcomes = await results(transport, *(mail(n, address) for n, address in enumerate(addresses)))

        sent = [given for given, one in zip(addresses, outcomes, strict=True) if one.status == "accepted"]
        assert [message.recipients for message in server.arrived] == [
            [f"RCPT TO:<{given}>"] for given in sent
        ]
        assert {one.reason for one in outcomes} == {SendReason.accepted, Reason.invalid_address}
        assert len(sent) > 40


async def test_the_null_sender() -> None:
    """An empty sender is the null reverse-path."""
    async with ScriptedServer(extensions=()) as server, engine(relay(server)) as transport:
        await results(transport, mail(sender=""))

        assert server.arrived[0].sender == "MAIL FROM:<>"


async def test_8bit_content() -> None:
    """BODY=8BITMIME for content with 8-bit bytes, and only then; a relay without it never gets them."""
    eight = HEAD + "grüß\r\n".encode()
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        await results(transport, mail(0, content=eight), mail(1))
        assert [" BODY=8BITMIME" in message.sender for message in server.arrived] == [True, False]
    async with ScriptedServer(extensions=("PIPELINING",)) as server, engine(relay(server)) as transport:
        (outcome, after) = await results(transport, mail(0, content=eight), mail(1))
        assert (outcome.status, outcome.reason) == (SendStatus.bounced, Reason.eightbit_unsupported)
        assert after.status is SendStatus.accepted
        assert len(server.arrived) == 1


async def test_international_addresses() -> None:
    """SMTPUTF8 only for them; without it the domain goes as A-labels and other local parts bounce."""
    given = ["jürgen@example.com", "info@bücher.example", "plain@example.com"]
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        await results(transport, *(mail(n, one) for n, one in enumerate(given)))
        assert [message.recipients[0] for message in server.arrived] == [f"RCPT TO:<{one}>" for one in given]
        assert [" SMTPUTF8" in message.sender for message in server.arrived] == [True, True, False]
    async with ScriptedServer(extensions=("PIPELINING",)) as server, engine(relay(server)) as transport:
        local, domain, plain = await results(transport, *(mail(n, one) for n, one in enumerate(given)))
        assert (local.status, local.reason) == (SendStatus.bounced, Reason.smtputf8_unsupported)
        assert domain.status is plain.status is SendStatus.accepted
        assert server.arrived[0].recipients == ["RCPT TO:<info@xn--bcher-kva.example>"]


async def test_size() -> None:
    """The size is announced; what is beyond the relay's limit is refused before anything is sent."""
    async with (
        ScriptedServer(extensions=("PIPELINING", "SIZE 1000")) as server,
        engine(relay(server)) as transport,
    ):
        fits, too_big = await results(transport, mail(0), mail(1, content=HEAD + b"x\r\n" * 400))

        assert fits.status is SendStatus.accepted
        assert (too_big.status, too_big.reason) == (SendStatus.bounced, Reason.too_big)
        assert server.arrived[0].sender.endswith(f" SIZE={len(mail().content)}")
        assert server.sessions[0].verbs.count("MAIL") == 1


@pytest.mark.parametrize("extensions", [PIPELINING, ("DSN",)])
async def test_delivery_status(extensions: tuple[str, ...]) -> None:
    """With `dsn` a relay that offers it is asked for reports that name the delivery."""
    async with ScriptedServer(extensions=extensions) as server, engine(relay(server, dsn=True)) as transport:
        await results(transport, mail(7))

        assert " RET=HDRS ENVID=delivery7" in server.arrived[0].sender
        assert server.arrived[0].recipients == ["RCPT TO:<user7@example.com> NOTIFY=FAILURE,DELAY"]
