"""The command line, `tocsin`: one file a command, imported only when that command runs."""

import gc
import logging
from typing import Annotated

import typer

from service.cli.support.command_group import CommandGroup


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed with the cause in one line on stderr, 2 wrong usage."""
    # Log records of libraries would bury the one line that says why a command failed. `worker` and `api`, which run
    # until they are stopped, configure their own logging.
    logging.getLogger().addHandler(logging.NullHandler())
    gc.disable()  # imports are an eighth faster without it; the group of commands enables it again
    app(prog_name="tocsin")


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


def _complete_profile(incomplete: str) -> list[str]:
    from service.cli.support.completion import complete_profile

    return complete_profile(incomplete)


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
        bool, typer.Option("--debug", help="Show logs, and the traceback of a failure.")
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            help="Read settings from ~/.config/tocsin/NAME.toml.",
            metavar="NAME",
            autocompletion=_complete_profile,
        ),
    ] = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Dispatch events as email and inbox notifications, and keep a ledger of every delivery."""
    if profile:
        _use_profile(profile)


def _use_profile(name: str) -> None:
    from service.cli.support.output import print_note
    from service.settings.origins import profile_warning, use_profile

    use_profile(name)
    if warning := profile_warning():
        print_note(warning)
