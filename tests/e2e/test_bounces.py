"""Unsubscribe links and bounces with real parts: after either, the next message is not sent."""

import re
from dataclasses import replace
from typing import Any

import aiosmtplib
import httpx
from pydantic import SecretStr

from service.api.app import create_app
from service.dev.ports import free_port
from service.model.blocks.unsubscribe import unsubscribe_key
from service.settings import AuthSettings, MailSettings
from tests.support.api_fixture import real_deps
from tests.support.bounce_messages import dsn, feedback, plain_bounce
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


async def test_what_comes_back_and_cannot_be_judged_is_shown_to_the_operator() -> None:
    """`explain`, `tail` and the metric have it; the next message is sent. Then a complaint, by the link."""
    port, metrics_port = free_port(), free_port()
    variables = VARIABLES | {"TOCSIN_BOUNCES__PORT": str(port)}
    async with RealPipeline(variables=variables) as pipeline:
        pipeline.start_worker()
        pipeline.start_worker("bounces", TOCSIN_WORKER__METRICS_PORT=str(metrics_port))
        await pipeline.publish(event("odd"))
        await pipeline.wait_until_finished("/e2e", "odd")
        (message,) = [
            m for m in pipeline.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)
        ]

        async def accepted(recipient: str, raw: bytes) -> bool:
            try:
                client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
                async with client:
                    await client.sendmail("", [recipient], raw)
            except aiosmtplib.SMTPConnectError:
                return False
            return True

        await eventually(lambda: accepted(message.sender, plain_bounce(message.sender, "It is odd.")), 60)

        code, documents, _ = await pipeline.tocsin(
            "explain", "--event", "odd", "--recipient", "bob", "--json"
        )
        deliveries = {d["channel"]: d for d in documents[0]["events"][0]["deliveries"]}
        assert (code, deliveries["email"]["state"]) == (0, "returned")
        assert deliveries["email"]["reason"] == "unjudged_return"
        _, shown, _ = await pipeline.tocsin(
            "tail", "outcomes", "--state", "returned", "--since", "1h", "--until-end", "--json"
        )
        assert [one["recipient"] for one in shown] == ["bob"]
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{metrics_port}/metrics")).text
        assert 'tocsin_bounces_total{reason="",result="returned"} 1.0' in metrics

        await pipeline.publish(event("next"))
        assert (await states(pipeline, "next"))["email"] == ("sent", "")
        newest = next(
            m for m in pipeline.catcher.mails.newest_first() if m.recipients == ("bob@example.com",)
        )
        quoted = f"List-Unsubscribe: {dict(newest.headers)['List-Unsubscribe'].strip()}"
        assert await accepted("complaints@bounces.tocsin.test", feedback("Feedback-Type: abuse", quoted))
        await pipeline.publish(event("last"))
        assert (await states(pipeline, "last"))["email"] == ("suppressed", "suppressed_address")
