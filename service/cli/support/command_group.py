"""The verbs, and how one is found, run and ended: with an exit code, and with one line when it failed."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from service.cli.support.output import CliError, print_error

VERBS: Mapping[str, str] = {
    "dev": "Start everything on this machine: broker, Redis, mail catcher, stages, API.",
    "worker": "Run stages.",
    "api": "Serve the HTTP API.",
    "publish": "Publish an event.",
    "tail": "Follow what happens: outcomes, dead letters, any dispatch topic.",
    "explain": "Say what became of an event or a recipient, and why.",
    "preview": "Render a notification type's mail.",
    "dead-letters": "List, show, redrive and discard dead letters.",
    "replay": "Send again what was not delivered.",
    "what-if": "Say who would be notified, without notifying anybody.",
    "audit": "Check that the ledger's sums balance.",
    "topics": "Create Kafka topics, and compare them with the table.",
    "recipients": "Import the recipients table.",
    "suppressions": "List, add and remove addresses that are not mailed.",
    "token": "Print a token for the API, for development.",
    "keys": "Create, list and revoke the API keys of services.",
    "privacy": "Export or erase what is kept of a person.",
    "rebuild": "Refill an empty Redis from Kafka.",
    "doctor": "Check settings and everything that Tocsin depends on.",
}
"""Every verb with its line of help, in the order of `--help`. Its file is `service/cli/<verb>.py`, with `-` as `_`,
and holds a `typer.Typer` named `app`. A verb without a file is not offered."""


class CommandGroup(TyperGroup):
    """Imports a verb's file only when that verb is run, so that the first output comes soon."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own Context
        """The verbs that are there."""
        return [verb for verb in VERBS if find_spec(_module(verb))]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The verb as help shows it, without its file."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(cmd_name, callback=None, help=VERBS[cmd_name])

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The verb that is to be run."""
        self.commands = {verb: self.get_command(ctx, verb) for verb in self.list_commands(ctx)}
        name, _, rest = super().resolve_command(ctx, args)
        verb: typer.Typer = import_module(_module(str(name))).app
        return name, typer.main.get_command(verb), rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a verb; what it raises becomes an exit code and one line."""
        from service.observability.logs import configure, route_to_stdlib

        debug = bool(ctx.params.get("debug"))
        if debug:
            configure("DEBUG", "console")
        else:
            route_to_stdlib()  # else structlog would print log lines between a verb's results
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None  # the reader has seen enough
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CliError as failure:
            print_error(str(failure), failure.remedy)
        except Exception as error:
            if _is_usage(error) or debug:
                raise
            print_error(_line(error), "" if _is_expected(error) else "run `tocsin --debug …` to see where")
        raise typer.Exit(1)


def _module(verb: str) -> str:
    return f"service.cli.{verb.replace('-', '_')}"


def _is_usage(error: Exception) -> bool:
    """Wrong usage, which typer prints, with exit code 2."""
    return hasattr(error, "exit_code") and hasattr(error, "show")


def _is_expected(error: Exception) -> bool:
    from service.ports import Unavailable

    return isinstance(error, OSError | Unavailable) or _settings_error(error)


def _settings_error(error: Exception) -> bool:
    from pydantic import ValidationError

    return isinstance(error, ValidationError) and error.title == "Settings"


def _line(error: Exception) -> str:
    """An error in one line. Wrong settings are named as in the environment; their values may be secrets."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError) and _settings_error(error):
        found = error.errors(include_url=False, include_input=False)
        return "; ".join(f"TOCSIN_{'__'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in found)
    return str(error) if _is_expected(error) else f"{type(error).__name__}: {error}"
