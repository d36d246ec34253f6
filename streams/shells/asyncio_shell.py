"""A worker on plain asyncio, without Faust."""

import asyncio
import signal

import uvloop

from streams.lifecycle import Service, run
from streams.shells.signals import StopSignals


def run_on_asyncio(root: Service) -> None:
    """Run the services until SIGTERM or Ctrl-C. Raise SystemExit 1 when one has failed, which its log line says."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(root))
        except Exception:
            raise SystemExit(1) from None


async def _run(root: Service) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = StopSignals(stop.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.received)
    await run(root, stop)
