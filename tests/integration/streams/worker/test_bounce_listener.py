"""The listener for bounces, over a real socket."""

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiosmtplib
import psutil
import pytest
from structlog.testing import capture_logs

from service.model.reasons import Reason
from service.settings import BounceSettings
from streams.worker.bounce_listener import BounceListener
from tests.support.bounce_messages import auto_reply, complaint, dsn
from tests.support.expensive_messages import EXPENSIVE
from tests.support.fake_pipeline import FakePipeline
from tests.support.wait import eventually
from tests.unit.pipeline.bounces.test_process import KEY, bounces_of, email, sent

COMPLAINTS = "complaints@bounces.tocsin.test"
MIB = 1_048_576


@asynccontextmanager
async def listener_of(pipeline: FakePipeline, **settings: float) -> AsyncIterator[int]:
    """Run a listener; yield its port."""
    listener = BounceListener(bounces_of(pipeline), BounceSettings(port=0, **settings))
    await listener.start()
    try:
        async with asyncio.timeout(60):
            yield listener.port
    finally:
        await listener.stop()


@asynccontextmanager
async def listening(pipeline: FakePipeline, **settings: float) -> AsyncIterator[aiosmtplib.SMTP]:
    """Run a listener; yield a client that is connected."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listener_of(pipeline, **settings))
        yield await stack.enter_async_context(
            aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        )


@asynccontextmanager
async def dialogue(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect without a client library, to send what none would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> str:
    """Return the code of the next answer."""
    while (line := await reader.readline())[3:4] == b"-":
        pass
    return line[:3].decode()


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *commands: bytes) -> list[str]:
    """Read the greeting, then send each command after the answer to the one before. Return the codes."""
    codes = [await answer(reader)]
    for command in commands:
        writer.write(command)
        codes.append(await answer(reader))
    return codes


async def test_a_bounce_by_smtp() -> None:
    """Postfix's empty sender, our signed address: the ledger and the suppressions know it after the 250."""
    pipeline, _, sender = await sent()
    async with listening(pipeline) as client:
        await client.sendmail("", [sender], dsn(sender))
        await client.sendmail("fbl@example.com", [COMPLAINTS], auto_reply(sender))

    assert await email(pipeline) == ("bounced", "bounce_received")
    assert pipeline.tables.suppressions[KEY].reason is Reason.mailbox_unknown


async def test_a_complaint_by_smtp() -> None:
    """It is sent to the address for complaints; the signature is in the message that it quotes."""
    pipeline, _, sender = await sent()
    async with listening(pipeline) as client:
        await client.sendmail("fbl@example.com", [COMPLAINTS], complaint(sender))

    assert await email(pipeline) == ("bounced", "complaint_received")


async def test_an_empty_envelope_sender_marks_a_bounce() -> None:
    """Its words are judged, though no header says what it is; a letter of a human is only recorded."""
    for mail_from, state in (("", "bounced"), ("human@example.com", "returned")):
        pipeline, _, sender = await sent()
        async with listening(pipeline) as client:
            await client.sendmail(mail_from, [sender], b"Subject: hello\r\n\r\nSorry: user unknown.\r\n")

        assert (await email(pipeline))[0] == state


async def test_other_addresses_are_refused() -> None:
    """It is no open relay: guessed addresses are refused at RCPT, and so is a message that is too large."""
    pipeline, _, sender = await sent()
    async with listening(pipeline, max_bytes=2048) as client:
        for address in ("bob@example.com", "b-forged@bounces.tocsin.test", "x@bounces.tocsin.test"):
            code = 250
            try:
                await client.sendmail("", [address], dsn(sender))
            except aiosmtplib.SMTPRecipientsRefused as refused:
                code = refused.recipients[0].code
            assert code == 550
        try:
            await client.sendmail("", [sender], dsn(sender) + b"x" * 4000)
        except aiosmtplib.SMTPResponseException as refused:
            code = refused.code
        assert code == 552

    assert await email(pipeline) == ("sent", "")


async def test_a_bounce_is_deferred_while_redis_is_unavailable() -> None:
    """451: the other server keeps it and retries."""
    pipeline, _, sender = await sent()
    pipeline.ledger.outage.reason = "redis: unavailable"
    async with listening(pipeline) as client:
        try:
            await client.sendmail("", [sender], dsn(sender))
            code = 250
        except aiosmtplib.SMTPResponseException as refused:
            code = refused.code

    assert code == 451


@pytest.mark.conformance("RFC 5321", "4.5.3.1.6 text line", "Longer lines than 1,000 octets are taken.")
async def test_lines_longer_than_smtp_allows_are_taken() -> None:
    """RFC 5321 section 4.5.3.1.6 allows 1,000 octets; what other servers quote is longer."""
    pipeline, _, sender = await sent()
    long = dsn(sender).replace(b"This is the mail", b"x" * 70_000 + b" This is the")
    async with listening(pipeline) as client:
        await client.sendmail("", [sender], long)

    assert await email(pipeline) == ("bounced", "bounce_received")


@pytest.mark.conformance(
    "RFC 5321",
    "4.5.1 postmaster",
    "Exists in the bounce domain, also without a domain and in any case of letters.",
)
@pytest.mark.conformance("RFC 2142", "4 abuse", "Exists in the bounce domain.")
@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("postmaster", "postmaster"),
        ("Postmaster@bounces.tocsin.test", "postmaster"),
        ("abuse@bounces.tocsin.test", "abuse"),
    ],
)
async def test_the_mailboxes_that_every_domain_has(address: str, mailbox: str) -> None:
    """RFC 5321 section 4.5.1, RFC 2142: accepted, counted, and logged without addresses."""
    pipeline, _, _ = await sent()
    letter = f"From: human@example.com\r\nTo: {mailbox}@bounces.tocsin.test\r\n\r\nHello?\r\n.\r\n".encode()
    with capture_logs() as logs:
        async with listener_of(pipeline) as port, dialogue(port) as streams:
            codes = await answers(
                *streams, b"EHLO x\r\n", b"MAIL FROM:<human@example.com>\r\n",
                f"RCPT TO:<{address}>\r\n".encode(), b"DATA\r\n", letter,
            )  # fmt: skip

    assert codes == ["220", "250", "250", "250", "354", "250"]
    (event,) = [log for log in logs if log["event"] == "role_mail_received"]
    assert event["mailbox"] == mailbox
    assert "human" not in str(logs)


@pytest.mark.conformance("RFC 1870", "6 SIZE", "A message over the limit is refused at MAIL, or after DATA.")
async def test_a_message_that_is_too_big_is_refused() -> None:
    """At MAIL by SIZE (RFC 1870), and after DATA; the connection can be used afterwards."""
    pipeline, _, sender = await sent()
    rcpt = f"RCPT TO:<{sender}>\r\n".encode()
    async with listener_of(pipeline, max_bytes=100_000) as port, dialogue(port) as streams:
        codes = await answers(
            *streams, b"EHLO x\r\n", b"MAIL FROM:<> SIZE=100001\r\n", b"MAIL FROM:<>\r\n", rcpt, b"DATA\r\n",
            b"x" * 100_001 + b"\r\n.\r\n", b"MAIL FROM:<>\r\n", rcpt, b"DATA\r\n", dsn(sender) + b".\r\n", b"QUIT\r\n",
        )  # fmt: skip

    assert codes == ["220", "250", "552", "250", "250", "354", "552", "250", "250", "354", "250", "221"]
    assert await email(pipeline) == ("bounced", "bounce_received")


@pytest.mark.conformance("RFC 5321", "3.8 421", "Clients beyond the limit get 421 and are disconnected.")
async def test_clients_beyond_the_limit_come_later() -> None:
    """They get 421; a place that becomes free is used again."""
    pipeline, _, _ = await sent()
    async with listener_of(pipeline, max_connections=2) as port, dialogue(port) as (first, _):
        async with dialogue(port) as (second, _):
            assert [await answer(first), await answer(second)] == ["220", "220"]
            async with dialogue(port) as (third, _):
                assert (await third.read()).startswith(b"421 ")

        async def greeted() -> bool:
            async with dialogue(port) as (reader, _):
                return await answer(reader) == "220"

        await eventually(greeted)


async def test_silent_clients_are_disconnected() -> None:
    """Before a command, and within a message."""
    pipeline, _, sender = await sent()
    commands = b"EHLO x\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{sender}>\r\n".encode(), b"DATA\r\n"
    async with (
        listener_of(pipeline, timeout=0.2) as port,
        dialogue(port) as (idle, _),
        dialogue(port) as streams,
    ):
        await answers(*streams, *commands)
        streams[1].write(b"Subject: x\r\n")

        assert (await idle.read()).startswith(b"220")
        assert await streams[0].read() == b""

    assert await email(pipeline) == ("sent", "")


async def test_many_clients_with_large_messages_take_little_memory() -> None:
    """300 clients of whom each sends 1 MiB without its end: those that are let in keep 256 KiB each."""
    pipeline, _, sender = await sent()
    commands = b"EHLO x\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{sender}>\r\n".encode(), b"DATA\r\n"
    piece = b"short lines\r\n" * (64 * 1024 // 13)
    async with listener_of(pipeline) as port, AsyncExitStack() as stack:
        gc.collect()
        before = psutil.Process().memory_info().rss
        clients = [await stack.enter_async_context(dialogue(port)) for _ in range(300)]
        let_in = 0
        for reader, writer in clients:
            if await answer(reader) != "220":
                continue
            let_in += 1
            for command in commands:
                writer.write(command)
                await answer(reader)
            for _ in range(15):
                writer.write(piece)
                await writer.drain()
        grown = psutil.Process().memory_info().rss - before

    assert let_in == 50
    assert grown < 100 * MIB, f"{grown // MIB} MiB"


@pytest.mark.exhaustive
async def test_no_message_stops_the_event_loop() -> None:
    """Those that are made to be expensive, one after the other: the loop runs at least every 50 ms."""
    _, bounces, sender = await sent()
    pauses: dict[str, float] = {}
    for kind, make in EXPENSIVE.items():
        message = make(262_144)
        for _ in range(20):  # another process may have had the processor
            pause_s = await longest_pause_s(bounces.process_message(message, [sender]))
            pauses[kind] = min(pauses.get(kind, pause_s), pause_s)
            if pauses[kind] < 0.05:
                break

    assert {kind: pause_s for kind, pause_s in pauses.items() if pause_s >= 0.05} == {}


async def longest_pause_s(work: Coroutine[Any, Any, object]) -> float:
    """Return the longest time (s) for which the event loop ran nothing but the work."""
    loop, longest_s = asyncio.get_running_loop(), 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        begin_s = loop.time()
        await asyncio.sleep(0.001)
        longest_s = max(longest_s, loop.time() - begin_s)
    await task
    return longest_s
