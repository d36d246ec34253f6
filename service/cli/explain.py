"""`tocsin explain`: explain the deliveries of an event or a recipient, and why a recipient got none."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.completion import complete_event, complete_recipient, complete_type
from service.cli.support.output import CliError, Utc, json_line, time_format
from service.cli.support.times import moment_ms

if TYPE_CHECKING:
    from service.bootstrap.explain_parts import ExplainParts
    from service.model.outcome import Outcome
    from service.pipeline.operate.explain import ExplainQuery
    from service.settings import Settings

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def explain(
    *,
    event: Annotated[str, typer.Option(help="An event's id or key.", autocompletion=complete_event)] = "",
    source: Annotated[str, typer.Option(help="The event's source; default: every source.")] = "",
    recipient: Annotated[str, typer.Option(help="A recipient's id.", autocompletion=complete_recipient)] = "",
    address: Annotated[str, typer.Option(help="An address; explains every recipient that has it.")] = "",
    type_name: Annotated[
        str, typer.Option("--type", help="Only this notification type.", autocompletion=complete_type)
    ] = "",
    since: Annotated[str, typer.Option(help="Only deliveries since then: 10m (ago), or a time.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of deliveries per event.")] = 100,
    utc: Utc = False,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain the state of the deliveries of an event or a recipient, and why a recipient was not notified.

    Exit code 1 when the ledger has no such event or delivery.
    """
    import uvloop

    from service.model.mask import mask_value
    from service.pipeline.operate.explain import ExplainQuery

    if recipient and address:
        raise typer.BadParameter("not together with --recipient", param_hint="--address")
    if not (event or recipient or address):
        raise typer.BadParameter("give --event, --recipient or --address")
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else 0
    query = ExplainQuery(event, source, recipient, address, type_name, since_ms, limit)
    document, addresses = uvloop.run(_explain(query, with_addresses=not as_json))
    if not show_personal:
        document, addresses = mask_value(document), mask_value(addresses)
    if as_json:
        json_line(document)
    else:
        from service.cli.support.explanation import ExplanationView

        ExplanationView(addresses, time_format(utc=utc)).print(document)
    if not document["events"]:
        raise CliError(
            "the ledger has no such event" if event else "the ledger has no deliveries of this recipient",
            "`tocsin tail dead-letter --from-beginning --until-end` shows events that were refused"
            if event
            else "",
        )


async def _explain(query: "ExplainQuery", *, with_addresses: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the answer, and the addresses that are known, by delivery: a pseudonym says little by itself."""
    from service.bootstrap.explain_parts import explain_parts
    from service.settings import load

    settings = load()
    parts = explain_parts(settings, _OutcomeLog(settings))
    try:
        document = await parts.explain(query)
        return document, await _addresses(parts, document) if with_addresses else {}
    finally:
        await parts.store.close()


@dataclass(frozen=True, slots=True)
class _OutcomeLog:
    """The OutcomeLog port; the code that reads Kafka is imported when there is something to look for."""

    settings: "Settings"

    async def acceptances(self, sent: Sequence[tuple[str, int]]) -> "Mapping[tuple[str, int], Outcome]":
        if not sent:
            return {}
        from service.model.topics import TopicNames
        from streams.kafka.connection import kafka_connection
        from streams.reader.outcome_log import KafkaOutcomeLog

        topic = TopicNames(self.settings.kafka.prefix).outcomes
        return await KafkaOutcomeLog(kafka_connection(self.settings.kafka), topic).acceptances(sent)


async def _addresses(parts: "ExplainParts", document: Mapping[str, Any]) -> dict[str, str]:
    from service.pipeline.operate.blocks import ResolvedRecipient, addresses_of

    addresses: dict[str, str] = {}
    for event in document["events"]:
        deliveries = event["deliveries"]
        resolved = [ResolvedRecipient(d["recipient"], d["found"], d["scope"]) for d in deliveries]
        by_type = await addresses_of(parts.tables, resolved, str(event["event"].get("type", "")))
        addresses |= dict(zip((d["delivery"] for d in deliveries), by_type, strict=True))
    return addresses
