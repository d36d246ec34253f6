"""Against Postfix's own sink: what we call accepted is what it has counted."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.adapters.smtp import Relay
from service.model.mail import SendStatus
from tests.integration.smtp.rig import engine, mail, results, until

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin:/usr/libexec/postfix")


@asynccontextmanager
async def sink(port: int, counter: Path, *options: str) -> AsyncIterator[None]:
    if SINK is None:
        pytest.skip("no smtp-sink: install Postfix to run this")
    with counter.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            SINK, "-u", "nobody", "-c", *options, f"127.0.0.1:{port}", "100", stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


def counted(counter: Path) -> int:
    return int((re.findall(r"mesg=(\d+)", counter.read_text()) or ["0"])[-1])


@pytest.mark.parametrize("options", [(), ("-p",)], ids=["pipelining", "lock step"])
async def test_its_counter_agrees(options: tuple[str, ...], free_port: int, tmp_path: Path) -> None:
    """Thousands of mails over several connections: accepted by us = counted by the sink."""
    counter = tmp_path / "counter"
    async with (
        sink(free_port, counter, *options),
        engine(Relay("sink", "127.0.0.1", free_port, security="none", max_connections=4)) as transport,
    ):
        await until(
            lambda: transport.state()[0].connections > 0 and transport.state()[0].state != "breaker_open"
        )
        outcomes = await results(transport, *map(mail, range(3000)), within_s=60)

        assert {outcome.status for outcome in outcomes} == {SendStatus.accepted}
        await until(lambda: counted(counter) == 3000)


async def test_a_sink_that_refuses(free_port: int, tmp_path: Path) -> None:
    """What the sink refuses is deferred, every one, and nothing is counted as received."""
    counter = tmp_path / "counter"
    async with (
        sink(free_port, counter, "-r", "RCPT"),
        engine(Relay("sink", "127.0.0.1", free_port, security="none", max_connections=4)) as transport,
    ):
        await until(lambda: transport.state()[0].connections > 0)
        outcomes = await results(transport, *map(mail, range(500)), within_s=60)

        assert {outcome.status for outcome in outcomes} == {SendStatus.deferred}
        assert {outcome.phase for outcome in outcomes} == {"rcpt"}
        assert counted(counter) == 0
