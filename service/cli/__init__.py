"""The command line, `tocsin`: one file a verb, each imported only when it is asked for."""

import logging
from typing import Annotated

import typer

from service.cli.support.command_group import CommandGroup


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 it failed and one line on stderr says why, 2 wrong usage."""
    # Whatever libraries log while a verb fails would bury the one line; verbs that serve set their own logging up.
    logging.getLogger().addHandler(logging.NullHandler())
    app(prog_name="tocsin")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


app = typer.Typer(
    cls=CommandGroup,
    name="tocsin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _tocsin(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show logs, and where a failure comes from.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Events in, mail and inbox entries out, and a ledger that says why."""
