"""The engine against Postfix's smtp-sink: as many accepted messages as it has counted."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.adapters.smtp import Relay, SmtpTransport
from service.model.mail import SendStatus
from tests.integration.smtp.rig import engine, mail, send
from tests.support.wait import eventually

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin:/usr/libexec/postfix")


@asynccontextmanager
async def sink(port: int, counter: Path, *options: str) -> AsyncIterator[None]:
    if SINK is None:
        pytest.skip("no smtp-sink: install Postfix to run this")
    with counter.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            SINK, "-u", "daemon", "-c", *options, f"127.0.0.1:{port}", "100", stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


def connected(transport: SmtpTransport) -> bool:
    (state,) = transport.state()
    return state.connections > 0 and state.state != "breaker_open"


def counted(counter: Path) -> int:
    return int((re.findall(r"mesg=(\d+)", counter.read_text()) or ["0"])[-1])


@pytest.mark.parametrize("options", [(), ("-p",)], ids=["pipelining", "lock step"])
async def test_its_counter_agrees(options: tuple[str, ...], free_port: int, tmp_path: Path) -> None:
    """Count as many accepted messages as the sink does, for thousands over several connections."""
    counter = tmp_path / "counter"
    async with (
        sink(free_port, counter, *options),
        engine(Relay("sink", "127.0.0.1", free_port, security="none", max_connections=4)) as transport,
    ):
        await eventually(lambda: connected(transport))
        results = await send(transport, *map(mail, range(3000)), within_s=60)

        assert {result.status for result in results} == {SendStatus.accepted}
        await eventually(lambda: counted(counter) == 3000)


async def test_a_sink_that_refuses(free_port: int, tmp_path: Path) -> None:
    """Defer every message that the sink refuses; the sink counts none as received."""
    counter = tmp_path / "counter"
    async with (
        sink(free_port, counter, "-r", "RCPT"),
        engine(Relay("sink", "127.0.0.1", free_port, security="none", max_connections=4)) as transport,
    ):
        await eventually(lambda: connected(transport))
        results = await send(transport, *map(mail, range(500)), within_s=60)

        assert {result.status for result in results} == {SendStatus.deferred}
        assert {result.phase for result in results} == {"rcpt"}
        assert counted(counter) == 0
