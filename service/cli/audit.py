"""`tocsin audit`: compare the ledger's sums, the due set and the inboxes, and repair what differs."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.cli.support.output import CliError, json_line, print_note, print_text, table
from service.cli.support.times import iso

app = typer.Typer(add_completion=False)


@app.command()
def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the due set and the counts of inboxes.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that a delivery may take from the due set to its stage.")
    ] = 5.0,
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
        _show(document)
    if document["drift_left"]:
        raise typer.Exit(1)


async def _audit(repair: bool, patience_s: float) -> dict[str, Any]:
    from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
    from service.bootstrap import bootstrap
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
        auditor = Auditor(parts.ledger, parts.due, scan, parts.clock, patience_s=patience_s)
        log = KafkaDeliveryLog(kafka_connection(settings), parts.topics) if repair else None
        last = await parts.history.last_catch_up()
        return (await auditor(log)).document() | {"catch_up": last._asdict() if last else None}
    finally:
        await parts.store.close()


def _show(document: Mapping[str, Any]) -> None:
    by_state = {**document["final"], **document["open"]}
    equal = "=" if document["balanced"] else "≠"
    counts = " + ".join(f"{n} {state}" for state, n in by_state.items())
    print_text(f"{document['events']} events, {document['resolved']} deliveries {equal} {counts or 'none'}")
    print_text(f"{document['waiting']} deliveries in the due set; {document['inboxes']} inboxes")
    for state, oldest in document["oldest_open"].items():
        print_text(f"oldest {state}: {iso(oldest['since_ms'])}  {oldest['delivery']}")
    if document["drift"]:
        rows = (
            (drift["kind"], drift["what"], drift["said"], "repaired" if drift["repaired"] else "")
            for drift in document["drift"]
        )
        table(("difference", "of", "detail", ""), rows)
    if last := document["catch_up"]:
        print_note(
            f"Redis was last caught up from Kafka at {iso(last['began_ms'])}: {last['records']} records"
        )
    left = document["drift_left"]
    print_note(f"differences left: {left or 'none'}")
