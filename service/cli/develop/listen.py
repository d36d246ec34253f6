"""`tocsin listen`: forward outcomes to a local server as signed webhooks, for the development of what receives them."""

import asyncio
import http.client
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from service.cli.develop.webhook import Endpoint, new_secret, secret_key, signed_headers
from service.cli.support.factories import kafka_connection
from service.cli.support.options import Channels, Events, Reasons, Recipients, States, Types
from service.cli.support.output import CliError, print_note, print_text
from service.cli.support.record_filter import RecordFilter
from service.cli.support.times import iso, moment_ms
from service.model.mask import mask_value
from service.model.topics import TopicNames
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.cli.support.record_view import RecordView

app = typer.Typer(add_completion=False)
_LONGEST_DELAY_S = 30.0
_RETRIED = frozenset({408, 425, 429})


@app.command(no_args_is_help=True)
def listen(
    *,
    forward_to: Annotated[
        str, typer.Option("--forward-to", metavar="URL", help="Where to post each outcome.")
    ],
    secret: Annotated[
        str, typer.Option(help="The secret of the signatures, whsec_…; default: a new one, printed.")
    ] = "",
    type_name: Types = None,
    recipient: Recipients = None,
    state: States = None,
    event: Events = None,
    channel: Channels = None,
    reason: Reasons = None,
    since: Annotated[str, typer.Option(help="Begin then: 10m (ago), or a time; default: now.")] = "",
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop at the current end of the topic.")
    ] = False,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Do not mask addresses.")] = False,
) -> None:
    """Post outcomes in their order to a URL, signed by the Standard Webhooks specification. Ctrl-C stops it.

    An answer of 5xx, 408, 425 or 429, and no answer, is retried until it succeeds; any other is not.
    """
    try:
        endpoint, key = Endpoint.of_url(forward_to), secret_key(secret or (secret := new_secret()))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    fields = {"type": type_name, "recipient": recipient, "state": state, "event": event}
    fields |= {"channel": channel, "reason": reason}
    since_ms = moment_ms(since, time.time_ns() // 1_000_000, ago=True) if since else None
    filter_ = RecordFilter.of_options(fields, since_ms, until_end=until_end)
    forwarder = _Forwarder(endpoint, key, personal=show_personal)
    try:
        asyncio.run(_listen(load(), filter_, forwarder, f"forwarding to {forward_to}, signed with {secret}"))
    except KeyboardInterrupt:
        raise typer.Exit from None  # the usual way to stop it


async def _listen(settings: Settings, filter_: RecordFilter, forward: "_Forwarder", heading: str) -> None:
    print_note(heading)
    async with aclosing(_outcomes(settings, filter_)) as views:
        async for view in views:
            await forward(view)


async def _outcomes(settings: Settings, filter_: RecordFilter) -> "AsyncGenerator[RecordView, None]":
    from service.cli.support.record_view import record_view
    from streams.reader.follow import UnknownTopic, follow

    names = TopicNames(settings.kafka.prefix)
    records = follow(
        kafka_connection(settings),
        [names.outcomes],
        since_ms=filter_.since_ms,
        until_end=filter_.until_end,
        on_start=lambda: print_note(filter_.described([names.outcomes])),
    )
    try:
        async with aclosing(records):
            async for record in records:
                view = record_view(record, names)
                if view.first("state") and filter_.matches(view):
                    yield view
    except UnknownTopic as error:
        raise CliError(str(error), "create it with `tocsin topics apply`") from error


@dataclass(frozen=True, slots=True)
class _Forwarder:
    """Poster of outcomes; each until it is answered, so that they arrive in their order."""

    endpoint: Endpoint
    key: bytes
    personal: bool

    async def __call__(self, view: "RecordView") -> None:
        record = view.record
        id_ = f"msg_{record.partition}_{record.offset}"
        body = orjson.dumps(self._document(view))
        about = " ".join(
            filter(
                None,
                (view.first("state"), view.first("type"), view.first("channel"), view.first("recipient")),
            )
        )
        delay_s = 1.0
        while True:
            answer = await self._post(id_, body)
            if not _is_retried(answer):
                break
            print_note(f"{answer}: {about}; retrying in {delay_s:g} s")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
        taken = isinstance(answer, int) and 200 <= answer < 300
        print_text(f"{answer}  {about}", "" if taken else "red")

    async def _post(self, id_: str, body: bytes) -> int | str:
        """Return the status of the answer, or why there is none. The time is that of the attempt."""
        headers = signed_headers(self.key, id_, int(time.time()), body)
        try:
            return await asyncio.to_thread(self.endpoint.post, body, headers)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({type(error).__name__})"

    def _document(self, view: "RecordView") -> Any:
        value = view.value if self.personal else mask_value(view.value)
        return {
            "type": f"delivery.{view.first('state')}",
            "timestamp": iso(view.record.timestamp_ms),
            "data": value,
        }


def _is_retried(answer: int | str) -> bool:
    return isinstance(answer, str) or answer >= 500 or answer in _RETRIED
