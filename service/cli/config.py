"""`tocsin config show`: every setting, its value and where it comes from."""

from typing import Annotated

import typer

from service.cli.support.table import listing

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def config() -> None:
    """Show the settings in force."""


@app.command()
def show(
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that are not the default.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Show every setting with its value and its origin; secrets are hidden.

    Origins: environment, secret file, profile, default, or derived from other settings.
    """
    from service.cli.support.settings_view import CONFIG_COLUMNS, config_rows
    from service.settings import load

    rows = config_rows(load())
    listing(CONFIG_COLUMNS, [r for r in rows if r["origin"] != "default" or not changed], as_json=as_json)
