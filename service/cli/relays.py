"""`tocsin relays`: the relays as the workers report them: state, rate, queue, and their last replies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.cells import plural
from service.cli.support.output import CliError, Utc, print_note, print_text, print_wrapped, time_format
from service.cli.support.table import Column, Kind, listing
from service.cli.support.times import iso

if TYPE_CHECKING:
    from service.model.relay import RelayReport

app = typer.Typer(add_completion=False)
_COLUMNS = (
    Column("relay", priority=9),
    Column("state", Kind.state, priority=9),
    Column("since", Kind.time, priority=7),
    Column("rate", Kind.number, priority=8, heading="mails/s"),
    Column("queued", Kind.number, priority=6),
    Column("in_flight", Kind.number, priority=5),
    Column("connections", Kind.number, priority=4),
    Column("reason", priority=6),
    Column("worker", Kind.id, priority=3, narrow=14),
)


@app.command()
def relays(
    *,
    replies: Annotated[bool, typer.Option("--replies", help="Also print each relay's last replies.")] = False,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Show each relay as each worker sees it, and what to do about one that does not send."""
    import uvloop

    reports = uvloop.run(_reports())
    listing(_COLUMNS, map(_row, reports), as_json=as_json, utc=utc)
    if as_json:
        return
    if not reports:
        raise CliError("no worker reports a relay", "start a worker with the stage `email`: `tocsin worker`")
    for report in reports:
        if report.remedy:
            line = f"{report.relay} of {report.worker}: {report.detail or report.reason}; {report.remedy}"
            print_wrapped(line, "yellow", hanging="  ")
    if replies:
        _print_replies(reports, utc=utc)
    print_note(f"{plural(len({one.relay for one in reports}), 'relay')}")


def _print_replies(reports: "Sequence[RelayReport]", *, utc: bool) -> None:
    times = time_format(utc=utc)
    for report in reports:
        print_text("")
        print_wrapped(f"{report.relay} of {report.worker}", "bold", hanging="  ")
        for reply in report.replies:
            print_wrapped(f"{reply.code} {reply.text}  {times(reply.at_ms)}", indent="  ", hanging="    ")


async def _reports() -> "list[RelayReport]":
    from service.bootstrap.parts import bootstrap
    from service.settings import load

    parts = bootstrap(load())
    try:
        workers = await parts.worker_reports.current(parts.clock.now_ms())
    finally:
        await parts.store.close()
    return sorted(
        (one for worker in workers for one in worker.relays), key=lambda one: (one.relay, one.worker)
    )


def _row(report: "RelayReport") -> dict[str, Any]:
    return report.model_dump(mode="json") | {"since": iso(report.since_ms), "rate": round(report.rate, 1)}
