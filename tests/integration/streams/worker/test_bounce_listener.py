"""The listener for bounces, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosmtplib

from service.model.reasons import Reason
from service.settings import BounceSettings
from streams.worker.bounce_listener import BounceListener
from tests.support.bounce_messages import auto_reply, complaint, dsn
from tests.support.fake_pipeline import FakePipeline
from tests.unit.pipeline.bounces.test_process import KEY, bounces_of, email, sent

COMPLAINTS = "complaints@bounces.tocsin.test"


@asynccontextmanager
async def listening(pipeline: FakePipeline, **settings: int) -> AsyncIterator[aiosmtplib.SMTP]:
    listener = BounceListener(bounces_of(pipeline), BounceSettings(port=0, **settings))
    await listener.maybe_start()
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, start_tls=False)
    try:
        async with asyncio.timeout(30), client:
            yield client
    finally:
        await listener.stop()


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
