"""`tocsin dev`: run the whole product on one machine, without installing or configuring anything."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.output import CliError, print_text
from service.cli.support.table import Column, Kind, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.bootstrap.parts import Parts
    from service.dev.sample_run import SampleResult
    from service.dev.stack import DevStack

app = typer.Typer(add_completion=False)
_SAMPLE_TIMEOUT_S = 30.0
_SAMPLES = (
    Column("event", priority=9, narrow=16),
    Column("recipient", Kind.id, priority=8, narrow=14),
    Column("channel", priority=7, narrow=7),
    Column("state", Kind.state, priority=8),
    Column("reason", priority=5),
    Column("detail", priority=4),
)


@app.command()
def dev(
    once: Annotated[
        bool,
        typer.Option("--once", help="Publish the samples, print their final states, and exit."),
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the data of Kafka and Redis in this folder.")
    ] = None,
    samples: Annotated[bool, typer.Option(help="Publish one sample event of each API document.")] = True,
) -> None:
    """Start Kafka, Valkey, a mail catcher, all stages and the API, and publish sample events."""
    print_text(
        "Tocsin for development on this machine only: every password is public, and no data is kept without --data."
    )
    asyncio.run(_dev(once, data, samples))


async def _dev(once: bool, data: Path | None, samples: bool) -> None:
    from service.adapters.brand_file import BrandError
    from service.adapters.catalogue_file import CatalogueError
    from service.adapters.templates import TemplateFault
    from service.dev.errors import DevStackError
    from service.dev.stack import DevStack
    from service.settings import load

    stack = DevStack(load(), data, lambda line: print_text(f"  {line}"))
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel if task else lambda: None)
    try:
        parts = await stack.start()
        if samples or once:
            await _run_samples(parts, must_finish=once)
        if not once:
            _print_links(stack)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        print_text("stopping")
    except (DevStackError, CatalogueError, BrandError, TemplateFault) as error:
        raise CliError(str(error)) from error
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        await stack.stop()


async def _run_samples(parts: "Parts", *, must_finish: bool) -> None:
    from service.dev.sample_run import follow, publish_samples, relay_replies

    print_text("  publishing one sample event of each API document")
    results = await follow(parts, await publish_samples(parts), _SAMPLE_TIMEOUT_S)
    _print(results, await relay_replies(parts, results))
    unfinished = [result for result in results if not result.finished]
    if unfinished and must_finish:
        problems = [f"{result.type} ({result.event_id}): {_states(result)}" for result in unfinished]
        raise CliError("not finished: " + "; ".join(problems))


def _print(results: "Sequence[SampleResult]", replies: "Mapping[str, str]") -> None:
    """Print the final states; `replies` has what the relay said, by delivery."""
    rows = [
        {
            "event": result.type,
            "recipient": entry.recipient,
            "channel": entry.channel,
            "state": entry.state,
            "reason": entry.newest_step.reason,
            "detail": entry.newest_step.detail or replies.get(entry.delivery, ""),
        }
        for result in results
        for entry in result.entries
    ]
    print_text("")
    print_table(_SAMPLES, rows)


def _states(result: "SampleResult") -> str:
    if not result.entries:
        return "no recipient was resolved"
    return ", ".join(f"{e.recipient}/{e.channel} {e.state} {e.newest_step.reason}" for e in result.entries)


def _print_links(stack: "DevStack") -> None:
    settings = stack.settings
    print_text("")
    if stack.catcher is not None:
        print_text(f"  mail        {stack.catcher.url}")
        print_text(f"  templates   {stack.catcher.url}/preview")
    print_text(f"  API         {stack.http_url}/docs")
    print_text(f"  console     {stack.http_url}/console")
    print_text(f"  Kafka       {settings.kafka.bootstrap}  (topic {settings.kafka.events[0]})")
    print_text(f"  Redis       127.0.0.1:{settings.dev.redis_port}" if "redis" in settings.embedded else "")
    print_text("")
    print_text("  in a second terminal:  .venv/bin/tocsin publish overbid --sample")
    print_text("                         .venv/bin/tocsin tail")
    print_text("                         .venv/bin/tocsin token alice")
    print_text("")
    print_text(f"Ready. Ctrl-C stops everything. Start here: {stack.http_url}/", "bold")
