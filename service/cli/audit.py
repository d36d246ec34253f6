"""`tocsin audit`: checks that the ledger's sums balance, and that the due set and the inboxes agree with it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.cli.support.output import json_line, print_note, print_text, table
from service.cli.support.times import iso

app = typer.Typer(add_completion=False)


@app.command()
def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended: due set and inbox counts.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that mail may take from the due set to its stage.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Count every delivery in retention, and say what disagrees. Exit code 1 if anything still does.

    Reads all of the ledger, a few hundred keys at a time; everything may go on meanwhile.
    """
    import uvloop

    document = uvloop.run(_audit(repair, patience))
    if as_json:
        json_line(document)
    else:
        _show(document)
    if document["drift_left"]:
        raise typer.Exit(1)


async def _audit(repair: bool, patience: float) -> dict[str, Any]:
    from service.adapters.redis.operate.ledger_scan import RedisLedgerScan
    from service.bootstrap import bootstrap
    from service.cli.support.factories import kafka_of
    from service.pipeline.operate.audit import Auditor
    from service.settings import load
    from streams.reader.delivery_log import KafkaDeliveryLog

    settings = load()
    parts = bootstrap(settings)
    try:
        sweep = RedisLedgerScan(parts.store, parts.clock)
        run = Auditor(parts.ledger, parts.due, sweep, parts.clock, patience_s=patience)
        log = KafkaDeliveryLog(kafka_of(settings), parts.topics) if repair else None
        return (await run(log)).document()
    finally:
        await parts.store.close()


def _show(document: Mapping[str, Any]) -> None:
    counted = {**document["final"], **document["open"]}
    equal = "=" if document["balanced"] else "≠"
    said = " + ".join(f"{n} {state}" for state, n in counted.items())
    print_text(f"{document['events']} events, {document['resolved']} deliveries {equal} {said or 'none'}")
    print_text(f"{document['waiting']} wait in the due set; {document['inboxes']} inboxes")
    for state, oldest in document["oldest_open"].items():
        print_text(f"oldest {state}: {iso(oldest['since_ms'])}  {oldest['delivery']}")
    if document["drift"]:
        rows = (
            (one["kind"], one["what"], one["said"], "repaired" if one["repaired"] else "")
            for one in document["drift"]
        )
        table(("drift", "of", "said", ""), rows)
    print_note(f"{document['drift_left']} disagree" if document["drift_left"] else "everything agrees")
