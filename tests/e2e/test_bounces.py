"""The closing of the loop, with real parts: a link in a mail is used, a mail bounces, and the next one is not sent."""

import re
from dataclasses import replace
from typing import Any

import aiosmtplib
import httpx
from pydantic import SecretStr

from service.api.app import create_app
from service.dev.ports import free_port
from service.model.unsubscribe import unsubscribe_key
from service.settings import AuthSettings, MailSettings
from tests.support.api_fixture import real_deps
from tests.support.bounce_messages import dsn
from tests.support.real_pipeline import RealPipeline, eventually

SECRET = "a-secret-of-this-test-only"
VARIABLES = {"TOCSIN_MAIL__SECRETS": f'["{SECRET}"]', "TOCSIN_MAIL__BOUNCE_DOMAIN": "bounces.tocsin.test"}


def event(event_id: str, type_name: str = "overbid", **data: Any) -> dict[str, Any]:
    return {
        "id": event_id, "source": "/e2e", "type": type_name, "recipients": ["bob"],
        "data": {"lot_id": event_id, **data},
    }  # fmt: skip


async def states(line: RealPipeline, event_id: str) -> dict[str, tuple[str, str]]:
    """Of bob's email and inbox deliveries."""
    entries = await line.finished("/e2e", event_id)
    return {e.channel: (e.state.value, e.steps[0].reason.value) for e in entries if e.recipient == "bob"}


async def test_the_link_in_a_mail_stops_that_mail() -> None:
    """The header of the mail that arrived is posted to, as a mail program does; the next event is not mailed."""
    async with RealPipeline(variables=VARIABLES) as line:
        line.start_worker()
        await line.publish(event("first"))
        await line.finished("/e2e", "first")
        (mail,) = [m for m in line.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)]
        headers = dict(mail.headers)
        link = headers["List-Unsubscribe"].replace("\r\n", "").replace(" ", "").strip("<>")
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert link in mail.content.html
        assert link in mail.content.text
        assert mail.sender.endswith("@bounces.tocsin.test")

        settings = line.settings.model_copy(
            update={
                "mail": MailSettings(secrets=(SecretStr(SECRET),)),
                "auth": AuthSettings(secret=SecretStr("x" * 40)),
            }
        )
        deps = real_deps(settings, line.parts.store, line.parts.clock, line.publisher)
        app = create_app(replace(deps, catalogue=line.parts.catalogue))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            assert "Stop these emails?" in (await client.get(link)).text
            answer = await client.post(link, data={"List-Unsubscribe": "One-Click"})
        await app.state.hub.close()
        assert answer.status_code == 200

        await line.publish(event("second"))
        assert await states(line, "second") == {
            "email": ("skipped", "unsubscribed"), "inbox": ("delivered", "")
        }  # fmt: skip
        rows = await line.read(line.parts.topics.table("unsubscribes"))
        assert unsubscribe_key("", "bob", "overbid").encode() in rows[0][0]
        assert re.search(rb"bob", rows[0][0]) is None


async def test_a_bounce_that_comes_back_by_smtp_stops_the_address() -> None:
    """The worker's listener takes the report for the sender of the mail that went out."""
    port = free_port()
    async with RealPipeline(variables=VARIABLES | {"TOCSIN_BOUNCES__PORT": str(port)}) as line:
        line.start_worker()
        line.start_worker("bounces")
        await line.publish(event("first"))
        await line.finished("/e2e", "first")
        (mail,) = [m for m in line.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)]

        async def taken() -> bool:
            try:
                client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
                async with client:
                    await client.sendmail("", [mail.sender], dsn(mail.sender, recipient="bob@example.com"))
            except aiosmtplib.SMTPConnectError:
                return False
            return True

        await eventually(taken, 60)
        assert (await states(line, "first"))["email"] == ("bounced", "bounce_received")
        await line.publish(event("second"))
        assert (await states(line, "second"))["email"] == ("suppressed", "suppressed_address")
        told = [o for o in await line.outcomes() if o.reason == "bounce_received"]
        assert [(o.recipient, o.type, o.event_id) for o in told] == [("bob", "overbid", "first")]
