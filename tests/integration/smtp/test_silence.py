"""Relays that accept connections and do not answer: the next relay takes over, whatever the number of connections."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from socket import AF_INET, SOCK_STREAM

import pytest

from service.adapters.smtp import Cooldowns, Relay, Timeouts, connect
from service.model.mail import SendStatus
from tests.integration.smtp.rig import LOCK_STEP, PATIENT, PIPELINING, engine, mail, relay, send
from tests.support.smtp_server import Answer, Do, Script, ScriptedServer, Session
from tests.support.wait import eventually

SHORT_S = 0.3
SHORT = Timeouts(*([SHORT_S] * 11))
PATIENCE = replace(PATIENT, tls_s=60.0, ehlo_s=60.0, auth_s=60.0)
LONG = Cooldowns(unavailable_s=60.0, busy_s=0.05)


def silent_at(step: str) -> Script:
    return lambda session, verb, line: Do.stall if verb == step else None


@pytest.mark.parametrize("extensions", [PIPELINING, LOCK_STEP], ids=["pipelining", "lock step"])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("connections", [1, 2, 10])
async def test_the_next_relay_takes_over(step: str, connections: int, extensions: tuple[str, ...]) -> None:
    """Give up a relay at its second timeout in a row, of one connection or of two; every message arrives once."""
    async with ScriptedServer(silent_at(step), extensions=extensions) as silent, ScriptedServer() as good:
        first = relay(silent, max_connections=connections, timeouts=SHORT, cooldowns=LONG)
        async with engine(first, relay(good, "second")) as transport:
            results = await send(transport, *map(mail, range(30)))
            state = transport.state()[0]

        assert {(one.status, one.relay) for one in results} == {(SendStatus.accepted, "second")}
        assert len(good.arrived) == 30
        assert state.state == "breaker_open"
        assert "no answer in time" in state.detail
        assert len(silent.sessions) <= connections + 1


@pytest.mark.parametrize("step", ["CONNECT", "MAIL"])
async def test_timeouts_count_in_whatever_order_they_come(step: str) -> None:
    """Count the timeouts of connections that began at different times: there is always another one that waits."""
    async with ScriptedServer(silent_at(step)) as silent, ScriptedServer() as good:
        first = relay(silent, max_connections=10, timeouts=SHORT, cooldowns=LONG)
        async with engine(first, relay(good, "second")) as transport:
            futures = []
            for number in range(6):
                futures.append(transport.submit(mail(number, f"user@domain{number}.test")))
                opened = min(number + 1, 10)
                await eventually(lambda opened=opened: len(silent.sessions) >= opened or good.arrived)
            results = [await future for future in futures]

        assert {(one.status, one.relay) for one in results} == {(SendStatus.accepted, "second")}


@pytest.mark.parametrize(
    ("step", "setting", "named"),
    [
        ("CONNECT", "greeting_s", "greeting"),
        ("EHLO", "ehlo_s", "EHLO"),
        ("STARTTLS", "tls_s", "STARTTLS"),
        ("AUTH", "auth_s", "AUTH"),
        ("MAIL", "mail_s", "mail"),
        ("RCPT", "rcpt_s", "rcpt"),
        ("DATA", "data_s", "data"),
    ],
)
async def test_every_step_has_its_own_time(step: str, setting: str, named: str) -> None:
    """Wait in each step as long as its setting says, with all others at a minute, and name the step."""
    extensions = ("8BITMIME", "AUTH PLAIN", *(("STARTTLS",) if step == "STARTTLS" else ()))
    async with ScriptedServer(silent_at(step), extensions=extensions) as server:
        one = relay(
            server,
            username="u",
            password="p",
            security="starttls" if step == "STARTTLS" else "none",
            timeouts=replace(PATIENCE, **{setting: SHORT_S}),
            cooldowns=LONG,
        )
        async with engine(one) as transport:
            future = transport.submit(mail())
            await eventually(lambda: transport.state()[0].state == "breaker_open")

            assert transport.state()[0].detail == f"no answer in time: {named}"
            assert (await future).status in (SendStatus.unsent, SendStatus.deferred)


async def test_a_reply_that_comes_octet_by_octet_is_not_waited_for() -> None:
    """Give a whole reply the time of its step: a relay that keeps sending parts of one holds nothing up."""
    parts: list[bytes | Do] = []
    for octet in b"250-" + b"x" * 1000:  # the whole reply takes 100 s
        parts += [bytes([octet]), Do.delay]

    def script(session: Session, verb: str, line: str) -> Answer:
        return tuple(parts) if verb == "MAIL" else None

    async with ScriptedServer(script) as slow, ScriptedServer() as good:
        slow.delay_s = SHORT_S / 3
        first = relay(slow, max_connections=2, timeouts=SHORT, cooldowns=LONG)
        async with engine(first, relay(good, "second")) as transport:
            results = await send(transport, *map(mail, range(10)))

    assert {(one.status, one.relay) for one in results} == {(SendStatus.accepted, "second")}


async def test_silence_after_the_end_of_data_is_ambiguous() -> None:
    """Wait for the final reply as its setting says; the message may have been taken, and is not sent again."""
    async with ScriptedServer(silent_at("END")) as server:
        timeouts = replace(PATIENCE, final_s=SHORT_S)
        async with engine(relay(server, timeouts=timeouts, cooldowns=LONG)) as transport:
            (result,) = await send(transport, mail())

    assert (result.status, result.reason) == (SendStatus.ambiguous, "lost_after_data")


async def test_a_relay_that_takes_few_connections_is_not_given_up() -> None:
    """Send everything through the connections that work, however many others are never greeted."""

    def script(session: Session, verb: str, line: str) -> Answer:
        return Do.stall if verb == "CONNECT" and session.number >= 2 else None

    async with ScriptedServer(script) as server, ScriptedServer() as other:
        first = relay(server, max_connections=8, timeouts=SHORT, cooldowns=LONG)
        async with engine(first, relay(other, "second")) as transport:
            for round_ in range(10):
                results = await send(transport, *map(mail, range(round_ * 50, round_ * 50 + 50)))
                assert {result.status for result in results} == {SendStatus.accepted}
            assert transport.state()[0].state == "ok"


@pytest.mark.parametrize("step", ["CONNECT", "EHLO"])
async def test_another_address_of_the_relay_answers(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try the next address where one accepts connections and says nothing; begin with that one from then on."""
    async with ScriptedServer(silent_at(step)) as silent, ScriptedServer() as good:
        monkeypatch.setattr(connect, "_addresses", addresses_of(silent.port, good.port))
        one = relay(silent, timeouts=SHORT, cooldowns=LONG, max_mails_per_connection=1)
        async with engine(one) as transport:
            results = await send(transport, *map(mail, range(5)))

    assert {one.status for one in results} == {SendStatus.accepted}
    assert len(silent.sessions) == 1


def addresses_of(*ports: int) -> Callable[[Relay], Awaitable[Sequence[object]]]:
    async def addresses(relay: Relay) -> Sequence[object]:
        return [(AF_INET, SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]

    return addresses


async def test_a_trial_delays_one_message_only() -> None:
    """Offer a relay in trial one message; the others go to the next relay meanwhile."""
    released = False

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "CONNECT":
            return None if released else Do.stall
        return Do.stall if verb == "RCPT" else None

    async with ScriptedServer(script) as silent, ScriptedServer() as good:
        first = relay(
            silent,
            timeouts=replace(PATIENCE, greeting_s=SHORT_S),
            cooldowns=Cooldowns(unavailable_s=0.05, max_s=0.1),
        )
        async with engine(first, relay(good, "second")) as transport:
            await send(transport, mail(0))
            released = True
            await eventually(lambda: transport.state()[0].state == "trial")
            stuck = transport.submit(mail(1))
            await eventually(lambda: transport.state()[0].in_flight == 1)
            results = await send(transport, *map(mail, range(2, 22)))

            assert {(one.status, one.relay) for one in results} == {(SendStatus.accepted, "second")}
            assert not stuck.done()
