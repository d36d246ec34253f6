"""`tocsin audit`: compare the ledger's sums, the due set and the inboxes, and repair what differs."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.cli.support.cells import grouped, plural
from service.cli.support.output import CliError, Utc, json_line, print_note, print_wrapped, time_format
from service.cli.support.progress import progress
from service.cli.support.table import Column, Kind, print_table

app = typer.Typer(add_completion=False)
_DRIFT = (
    Column("kind", priority=8, heading="difference"),
    Column("what", Kind.id, priority=9, narrow=16, heading="of"),
    Column("said", priority=6, heading="detail"),
    Column("repaired", priority=7, narrow=8),
)


@app.command()
def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the due set and the counts of inboxes.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that a delivery may take from the due set to its stage.")
    ] = 5.0,
    utc: Utc = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Count every delivery in retention, and compare the due set and the inboxes with the ledger.

    Reads the whole ledger, a few hundred keys at a time, while workers run. Exit code 1 when a difference is left, or
    when Redis is not complete: the sums of a ledger that is not there say nothing.
    """
    import uvloop

    document = uvloop.run(_audit(repair, patience))
    if as_json:
        json_line(document)
    else:
        _show(document, utc=utc)
    if document["drift_left"]:
        raise typer.Exit(1)


async def _audit(repair: bool, patience_s: float) -> dict[str, Any]:
    from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
    from service.bootstrap.parts import bootstrap
    from service.cli.support.factories import kafka_connection
    from service.pipeline.operate.audit import Auditor
    from service.settings import load
    from streams.reader.delivery_log import KafkaDeliveryLog

    settings = load()
    parts = bootstrap(settings)
    try:
        if (reason := await parts.completeness.incomplete()) is not None:
            raise CliError(f"there is no whole ledger to audit: {reason}")
        scan = RedisLedgerScan(parts.store, parts.clock)
        auditor = Auditor(
            parts.ledger, parts.due, parts.digest_windows, scan, parts.clock, patience_s=patience_s
        )
        log = KafkaDeliveryLog(kafka_connection(settings), parts.topics) if repair else None
        last = await parts.history.last_catch_up()
        with progress("reading the ledger"):
            report = await auditor(log)
        return report.document() | {"catch_up": last._asdict() if last else None}
    finally:
        await parts.store.close()


def _show(document: Mapping[str, Any], *, utc: bool) -> None:
    times = time_format(utc=utc)
    by_state = {**document["final"], **document["open"]}
    equal = "=" if document["balanced"] else "≠"
    counts = " + ".join(f"{grouped(n)} {state}" for state, n in by_state.items())
    resolved = f"{plural(document['events'], 'event')}, {plural(document['resolved'], 'delivery')}"
    print_wrapped(f"{resolved} {equal} {counts or 'none'}", hanging="  ")
    waiting, inboxes = plural(document["waiting"], "delivery"), plural(document["inboxes"], "inbox")
    print_wrapped(f"{waiting} in the due set; {inboxes}", hanging="  ")
    for state, oldest in document["oldest_open"].items():
        print_wrapped(f"oldest {state}: {times(oldest['since_ms'])}  {oldest['delivery']}", hanging="  ")
    if document["drift"]:
        print_table(_DRIFT, document["drift"])
    if last := document["catch_up"]:
        print_note(
            f"Redis was last caught up from Kafka {times(last['began_ms'])}: {plural(last['records'], 'record')}"
        )
    left = document["drift_left"]
    print_note(f"differences left: {left or 'none'}")
