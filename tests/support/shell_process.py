"""Two services on one of the shells, as a process that prints what happens: `python -m … SHELL CASE`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from service.observability.logs import configure
from streams.lifecycle import Service, ServiceGroup


class First(Service):
    """Drains for a tenth of a second, or for ever."""

    name = "first"

    def __init__(self, drain_s: float) -> None:
        super().__init__()
        self._drain_s = drain_s

    async def on_start(self) -> None:
        self.add_task(self._work())
        print("first started", flush=True)

    async def on_stop(self) -> None:
        print("first drains", flush=True)
        await asyncio.sleep(self._drain_s)
        print("first stopped", flush=True)

    async def _work(self) -> None:
        while not self.should_stop:
            await self.sleep(0.01)
        print("first ended its task", flush=True)


class Second(Service):
    """Does what the case says: its start waits for ever, or its task fails."""

    name = "second"

    def __init__(self, case: str) -> None:
        super().__init__()
        self._case = case

    async def on_start(self) -> None:
        print("second starts", flush=True)
        if self._case == "start_waits":
            await asyncio.sleep(3600)
        if self._case == "task_fails":
            self.add_task(self._fail())
        print("second started", flush=True)

    async def on_stop(self) -> None:
        print("second stopped", flush=True)

    async def _fail(self) -> None:
        await asyncio.sleep(0.1)
        raise OSError("the task has failed")


def main(shell: str, case: str) -> None:
    """Run until a signal or a failure."""
    configure("WARNING", "json")
    root = ServiceGroup([First(3600.0 if case == "drain_hangs" else 0.1), Second(case)])
    if shell == "asyncio":
        from streams.shells.asyncio_shell import run_on_asyncio

        run_on_asyncio(root)
        return
    from streams.kafka.connection import KafkaConnection
    from streams.shells.faust_app import FaustOptions, build_app, choose_loop, host, run_app

    choose_loop()
    with tempfile.TemporaryDirectory() as folder:
        app = build_app(FaustOptions(KafkaConnection("127.0.0.1:1"), data=Path(folder)))
        host(app, root)
        run_app(app, "WARNING")


if __name__ == "__main__":
    main(*sys.argv[1:])
