"""Messages are claimed when a connection is about to send them, and sent only while their lease holds (ADR 13)."""

import asyncio
from collections import Counter

import pytest

from service.adapters.smtp.connection import CHUNK_BYTES
from service.model.mail import SendStatus
from service.model.reasons import Reason, SendReason
from tests.fakes.claims import FakeClaims
from tests.integration.smtp.rig import LOCK_STEP, PIPELINING, engine, mail, relay
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session
from tests.support.wait import eventually

OK = b"250 2.0.0 Ok\r\n"
INVITE = (b"354 Go ahead\r\n", Do.invite)
UNSENT = (SendStatus.unsent, Reason.lease_over)


def hold_at(held: str, *answer: bytes | Do) -> "object":
    """Return a script that answers one verb only after `release`."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return (Do.hold, *answer) if verb == held else None

    return script


async def test_no_more_is_claimed_than_the_connections_are_about_to_send() -> None:
    """Of 500 messages, some a connection: the one at the relay, the one behind it, and the next ones."""
    claims = FakeClaims()
    async with (
        ScriptedServer(hold_at("END", OK)) as server,  # type: ignore[arg-type]
        engine(relay(server, max_connections=4, domain_concurrency=4)) as transport,
    ):
        futures = [transport.submit(mail(n, f"user{n}@example{n % 50}.com"), claims) for n in range(500)]
        await eventually(lambda: len(server.arrived) == 4)
        await asyncio.sleep(0.1)

        assert len(claims.claimed) <= 20
        server.release()
        results = await asyncio.gather(*futures)

    assert {one.status for one in results} == {SendStatus.accepted}
    assert sorted(claims.claimed) == sorted(f"delivery{n}" for n in range(500))


async def test_claims_of_fast_connections_are_made_together() -> None:
    """A claim that takes a millisecond has the messages that all connections send meanwhile: few and large calls."""
    claims = FakeClaims(delay_s=0.001)
    async with ScriptedServer() as server, engine(relay(server, max_connections=10)) as transport:
        messages = [mail(n, f"user{n}@example{n % 50}.com") for n in range(3000)]
        results = await asyncio.gather(*(transport.submit(one, claims) for one in messages))

    assert {one.status for one in results} == {SendStatus.accepted}
    assert len(claims.groups) < 3000 / 8
    assert max(map(len, claims.groups)) <= 200


async def test_a_domain_that_does_not_answer_has_few_claims() -> None:
    """Its messages wait unclaimed; those of other domains are claimed and sent meanwhile."""
    claims = FakeClaims()

    def script(session: Session, verb: str, line: str) -> Answer:
        return (Do.hold, b"250 2.1.5 Ok\r\n") if verb == "RCPT" and "@slow.test" in line else None

    async with (
        ScriptedServer(script) as server,
        engine(relay(server, max_connections=4, domain_concurrency=2)) as transport,
    ):
        slow = [transport.submit(mail(n, f"user{n}@slow.test"), claims) for n in range(300)]
        fast = [transport.submit(mail(1000 + n, f"user{n}@fast.test"), claims) for n in range(300)]
        await asyncio.gather(*fast)

        assert not any(future.done() for future in slow)
        assert len(claims.claimed) - 300 <= 20
        server.release()
        results = await asyncio.gather(*slow, *fast)

    assert {one.status for one in results} == {SendStatus.accepted}
    assert max(Counter(claims.claimed).values()) == 1


async def test_a_refused_message_is_not_sent() -> None:
    """It comes back, and the next one is sent on the same connection."""
    claims = FakeClaims(lambda one: one.delivery_id in ("delivery0", "delivery3"))
    async with ScriptedServer() as server, engine(relay(server)) as transport:
        results = await asyncio.gather(*(transport.submit(mail(n), claims) for n in range(6)))

    refused = [n for n, one in enumerate(results) if one.status is SendStatus.unsent]
    assert refused == [0, 3]
    assert results[0].reason is SendReason.unclaimed
    assert len(server.arrived) == 4
    assert len(server.sessions) == 1


@pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP], ids=["pipelining", "lock step"])
async def test_no_body_is_written_after_the_lease(extensions: tuple[str, ...]) -> None:
    """The worker was paused while it waited for 354: the message comes back unsent, the relay has nothing."""
    claims = FakeClaims()
    async with (
        ScriptedServer(hold_at("DATA", *INVITE), extensions=extensions) as server,  # type: ignore[arg-type]
        engine(relay(server)) as transport,
    ):
        futures = [transport.submit(mail(n), claims) for n in range(3)]
        await eventually(lambda: bool(server.sessions) and "DATA" in server.sessions[0].verbs)
        claims.lease.over = True
        server.release()
        results = await asyncio.gather(*futures)

        assert {(one.status, one.reason) for one in results} == {UNSENT}
        assert transport.state()[0].state == "ok"
    assert server.arrived == []


async def test_a_body_is_cut_off_when_the_lease_ends_in_it() -> None:
    """A relay that reads slowly has part of a large body: without its end of data it is not delivered."""
    claims = FakeClaims()
    large = mail(content=b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * (500 * CHUNK_BYTES // 72))

    def script(session: Session, verb: str, line: str) -> Answer:
        return (INVITE[0], Do.hold, Do.invite) if verb == "DATA" else None

    async with (
        ScriptedServer(script, extensions=("PIPELINING",)) as server,
        engine(relay(server)) as transport,
    ):
        future = transport.submit(large, claims)
        await eventually(lambda: any(c._unwritten for c in transport._pools[0]._connections))
        claims.lease.over = True
        server.release()
        result = await future

        assert (result.status, result.reason) == UNSENT
    assert server.arrived == []


async def test_a_claimed_message_in_the_queue_is_not_begun_after_the_lease() -> None:
    """Not even its envelope is written; the message at the relay keeps its result."""
    claims = FakeClaims()
    async with (
        ScriptedServer(hold_at("END", OK), extensions=LOCK_STEP) as server,  # type: ignore[arg-type]
        engine(relay(server)) as transport,
    ):
        first, second = transport.submit(mail(0), claims), transport.submit(mail(1), claims)
        await eventually(lambda: bool(server.arrived) and len(claims.claimed) == 2)
        claims.lease.over = True
        server.release()

        assert (await first).status is SendStatus.accepted
        assert ((await second).status, (await second).reason) == UNSENT
    assert server.sessions[0].verbs.count("MAIL") == 1


async def test_an_unusable_relay_has_nothing_claimed() -> None:
    """What no relay takes comes back without a claim: nothing of it is in doubt."""
    claims = FakeClaims()

    def script(session: Session, verb: str, line: str) -> Answer:
        return (b"421 4.3.2 Busy\r\n", Do.close) if verb == "CONNECT" else None

    async with ScriptedServer(script) as server, engine(relay(server)) as transport:
        results = await asyncio.gather(*(transport.submit(mail(n), claims) for n in range(20)))

    assert {one.status for one in results} == {SendStatus.unsent}
    assert claims.groups == []


async def test_close_returns_claimed_messages_unsent() -> None:
    """What is at the relay gets its reply; what is claimed and not there comes back before that."""
    claims = FakeClaims()
    async with ScriptedServer(hold_at("END", OK)) as server, engine(relay(server)) as transport:  # type: ignore[arg-type]
        futures = [transport.submit(mail(n), claims) for n in range(40)]
        await eventually(lambda: bool(server.arrived) and len(claims.claimed) == 3)
        closing = asyncio.create_task(transport.close(60))
        unsent = await asyncio.gather(*futures[1:])

        assert {(one.status, one.reason) for one in unsent} == {(SendStatus.unsent, SendReason.closing)}
        server.release()
        assert (await futures[0]).status is SendStatus.accepted
        await closing
    assert len(server.arrived) == 1


async def test_an_error_in_a_claim_returns_its_messages() -> None:
    """Nothing waits for ever for a claim that failed in an unexpected way."""

    class Broken(FakeClaims):
        async def claim(self, mails: object) -> object:  # type: ignore[override]
            raise RuntimeError("planted")

    async with ScriptedServer() as server, engine(relay(server)) as transport:
        results = await asyncio.gather(*(transport.submit(mail(n), Broken()) for n in range(5)))  # type: ignore[arg-type]

    assert {one.reason for one in results} == {SendReason.unclaimed}
    assert server.arrived == []
