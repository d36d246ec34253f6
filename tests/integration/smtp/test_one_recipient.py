"""One recipient's refusal stops no other mail, whatever it says; three unrelated ones stop the relay."""

from contextlib import suppress

import pytest

from service.adapters.smtp import Cooldowns
from service.model.recipient import Recipient
from service.ports import Unavailable
from tests.integration.smtp.rig import engine, relay
from tests.support.fake_pipeline import FakePipeline
from tests.support.smtp_server import Answer, Script, ScriptedServer, Session

COUNT = 13
LONG = Cooldowns(unavailable_s=30.0, busy_s=30.0, fault_s=30.0)
ABOUT_US = [
    b"550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required\r\n",
    b"550 SMTP AUTH is required for this recipient\r\n",
    b"553 5.7.1 <n@shop.test>: Sender address rejected: not owned by user tocsin\r\n",
    b"550 5.7.1 Your account has been suspended, contact support\r\n",
    b"554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org\r\n",
    b"530 5.7.0 Authentication required\r\n",
    b"550 5.7.705 Access denied, tenant has exceeded threshold\r\n",
    b"421 4.7.1 Messages to you are deferred due to excessive volume\r\n",
]


async def published() -> FakePipeline:
    """Return a pipeline with one event for each of thirteen recipients, each at a domain of its own."""
    pipeline = FakePipeline()
    await pipeline.tables.put_recipients(
        [Recipient(id=f"user{n}", address=f"user{n}@domain{n}.test", version=1) for n in range(COUNT)]
    )
    await pipeline.ingest(
        *(
            {"id": str(n), "type": "winner", "recipients": [f"user{n}"], "data": {"lot_id": "7"}}
            for n in range(COUNT)
        )
    )
    return pipeline


async def deliver(pipeline: FakePipeline, script: Script) -> tuple[list[str], str]:
    """Run the email stage against a relay; return the states of the deliveries and the state of the relay."""
    async with (
        ScriptedServer(script) as server,
        engine(relay(server, max_connections=2, cooldowns=LONG)) as transport,
    ):
        pipeline.transport = transport  # type: ignore[assignment]
        pipeline.deliver_email = pipeline.email_worker("worker-1")
        with suppress(Unavailable):
            await pipeline.run(pipeline.deliver_email, pipeline.email_records())
        state = transport.state()[0].state.value
    states = [(await pipeline.states(str(n)))[f"user{n}", "email"][0] for n in range(COUNT)]
    return states, state


@pytest.mark.parametrize("reply", ABOUT_US, ids=[reply[:40].decode() for reply in ABOUT_US])
async def test_one_recipient_stops_no_other_mail(reply: bytes) -> None:
    """Twelve messages behind a refused one arrive, the relay stays in use, and no mailbox is suppressed."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return reply if verb == "RCPT" and "user0@" in line else None

    pipeline = await published()
    states, state = await deliver(pipeline, script)

    assert states[1:] == ["sent"] * 12
    assert states[0] == ("bounced" if reply in ABOUT_US[:2] else "deferred")
    assert state == "ok"
    assert not pipeline.tables.suppressions


@pytest.mark.parametrize("reply", ABOUT_US[2:7], ids=[reply[:40].decode() for reply in ABOUT_US[2:7]])
async def test_unrelated_recipients_stop_the_relay(reply: bytes) -> None:
    """Once three recipients have met the same, the rest waits; nothing is given up and no mailbox is suppressed."""
    pipeline = await published()
    states, state = await deliver(pipeline, lambda session, verb, line: reply if verb == "RCPT" else None)

    assert set(states) <= {"deferred", "queued"}
    assert states.count("deferred") <= 5  # three, and what was on the two connections
    assert state in ("misconfigured", "resting")
    assert not pipeline.tables.suppressions
