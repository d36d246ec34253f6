"""Unsubscribe links and bounces with real parts: after either, the next message is not sent."""

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
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

SECRET = "a-secret-of-this-test-only"
VARIABLES = {"TOCSIN_MAIL__SECRETS": f'["{SECRET}"]', "TOCSIN_MAIL__BOUNCE_DOMAIN": "bounces.tocsin.test"}


def event(event_id: str, type_name: str = "overbid", **data: Any) -> dict[str, Any]:
    return {
        "id": event_id, "source": "/e2e", "type": type_name, "recipients": ["bob"],
        "data": {"lot_id": event_id, **data},
    }  # fmt: skip


async def states(pipeline: RealPipeline, event_id: str) -> dict[str, tuple[str, str]]:
    """Return channel → (state, reason) of bob's deliveries, once the event is finished."""
    entries = await pipeline.wait_until_finished("/e2e", event_id)
    return {e.channel: (e.state.value, e.newest_step.reason.value) for e in entries if e.recipient == "bob"}


async def test_the_unsubscribe_link_stops_the_next_message() -> None:
    """A POST to the header's link, as a mail program sends it; the next event is not mailed."""
    async with RealPipeline(variables=VARIABLES) as pipeline:
        pipeline.start_worker()
        await pipeline.publish(event("first"))
        await pipeline.wait_until_finished("/e2e", "first")
        (message,) = [
            m for m in pipeline.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)
        ]
        headers = dict(message.headers)
        link = headers["List-Unsubscribe"].replace("\r\n", "").replace(" ", "").strip("<>")
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert link in message.content.html
        assert link in message.content.text
        assert message.sender.endswith("@bounces.tocsin.test")

        settings = pipeline.settings.model_copy(
            update={
                "mail": MailSettings(secrets=(SecretStr(SECRET),)),
                "auth": AuthSettings(secret=SecretStr("x" * 40)),
            }
        )
        deps = real_deps(settings, pipeline.parts.store, pipeline.parts.clock, pipeline.producer)
        app = create_app(replace(deps, catalogue=pipeline.parts.catalogue))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            assert "Stop these emails?" in (await client.get(link)).text
            answer = await client.post(link, data={"List-Unsubscribe": "One-Click"})
        await app.state.hub.close()
        assert answer.status_code == 200

        await pipeline.publish(event("second"))
        assert await states(pipeline, "second") == {
            "email": ("skipped", "unsubscribed"), "inbox": ("delivered", "")
        }  # fmt: skip
        rows = await pipeline.read(pipeline.parts.topics.table("unsubscribes"))
        assert unsubscribe_key("", "bob", "overbid").encode() in rows[0][0]
        assert re.search(rb"bob", rows[0][0]) is None


async def test_a_bounce_by_smtp_suppresses_the_address() -> None:
    """The worker's listener accepts a report for the envelope sender of a message that was sent."""
    port = free_port()
    async with RealPipeline(variables=VARIABLES | {"TOCSIN_BOUNCES__PORT": str(port)}) as pipeline:
        pipeline.start_worker()
        pipeline.start_worker("bounces")
        await pipeline.publish(event("first"))
        await pipeline.wait_until_finished("/e2e", "first")
        (message,) = [
            m for m in pipeline.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)
        ]

        async def accepted() -> bool:
            try:
                client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
                async with client:
                    await client.sendmail(
                        "", [message.sender], dsn(message.sender, recipient="bob@example.com")
                    )
            except aiosmtplib.SMTPConnectError:
                return False
            return True

        await eventually(accepted, 60)
        assert (await states(pipeline, "first"))["email"] == ("bounced", "bounce_received")
        await pipeline.publish(event("second"))
        assert (await states(pipeline, "second"))["email"] == ("suppressed", "suppressed_address")
        bounced = [o for o in await pipeline.outcomes() if o.reason == "bounce_received"]
        assert [(o.recipient, o.type, o.event_id) for o in bounced] == [("bob", "overbid", "first")]
