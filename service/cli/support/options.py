"""Options that several commands share: filters by the fields of a delivery, each with its completion."""

from typing import Annotated

import typer

from service.cli.support.completion import (
    complete_channel,
    complete_event,
    complete_reason,
    complete_recipient,
    complete_state,
    complete_type,
)
from service.model.channels import Channel

Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="Only these notification types; repeatable.", autocompletion=complete_type),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient", help="Only these recipient ids; repeatable.", autocompletion=complete_recipient
    ),
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event", help="Only these events, by id or key; repeatable.", autocompletion=complete_event
    ),
]
States = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only these states; repeatable.", autocompletion=complete_state),
]
Channels = Annotated[
    list[str] | None,
    typer.Option(
        "--channel",
        help=f"Only this channel: {' or '.join(Channel)}; repeatable.",
        autocompletion=complete_channel,
    ),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", help="Only these reason codes; repeatable.", autocompletion=complete_reason),
]
