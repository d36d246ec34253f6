"""The commands of `tocsin`: how a command is found, imported and run, and how a failure is reported."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from service.cli.support.output import CliError, print_error

COMMANDS: Mapping[str, str] = {
    "dev": "Start Kafka, Redis, a mail catcher, all stages and the API.",
    "worker": "Run stages.",
    "api": "Serve the HTTP API.",
    "publish": "Publish events of a notification type.",
    "tail": "Follow outcomes, dead letters or any other topic.",
    "explain": "Explain the deliveries of an event or a recipient.",
    "preview": "Render the message of a notification type.",
    "types": "List, show and make notification types.",
    "templates": "Export the shipped templates, to change them.",
    "listen": "Forward outcomes to a local server, as signed webhooks.",
    "deliveries": "List deliveries by any of their fields.",
    "due": "Show what waits until a time; release, retime or cancel it.",
    "relays": "Show the relays as the workers see them.",
    "top": "Watch stages, relays and deliveries, and act on them.",
    "dead-letters": "List, show, redrive and discard dead letters.",
    "replay": "Send failed deliveries again.",
    "what-if": "Predict the deliveries of an event; send nothing.",
    "audit": "Compare the ledger with the due set and the inboxes.",
    "topics": "Create Kafka topics, and compare them with the topic table.",
    "recipients": "Import recipients from a file.",
    "suppressions": "List, add and remove suppressed addresses.",
    "token": "Issue an API token for development.",
    "keys": "Create, list and revoke API keys of services.",
    "privacy": "Export or erase the data of a person.",
    "rebuild": "Refill an empty Redis from Kafka.",
    "config": "Show every setting, its value and where it comes from.",
    "doctor": "Check the settings and every dependency.",
}
"""Every command with its line of help, in the order of `--help`. The file of a command is `service/cli/<command>.py`,
with `-` as `_`, or in the folder `develop`, and holds a `typer.Typer` named `app`. A command without a file is not
listed."""

_FOR_DEVELOPMENT = frozenset({"listen", "preview", "templates", "token", "types"})
"""Commands whose file is in `service/cli/develop`."""

_SHORT = frozenset({"explain", "token"})
"""Commands that end before garbage matters, and import most of their code while they run."""


class CommandGroup(TyperGroup):
    """The group of all commands. Imports the file of a command only to run it, which keeps the start fast."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own Context
        """Return the names of the commands that have a file."""
        return [name for name in COMMANDS if find_spec(module_of(name))]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return a command with its line of help only, without an import of its file."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return TyperCommand(cmd_name, callback=None, help=COMMANDS[cmd_name])

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Return the command to run, with its file imported."""
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        resolved, _, rest = super().resolve_command(ctx, args)
        command: typer.Typer = import_module(module_of(str(resolved))).app
        if resolved not in _SHORT:
            gc.enable()
        return resolved, typer.main.get_command(command), rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a command. Report an exception as one line on stderr and an exit code."""
        debug = bool(ctx.params.get("debug"))
        if debug:
            from service.observability.logs import configure

            configure("DEBUG", "console")
        else:
            from service.observability.log_hook import route_when_imported

            route_when_imported()  # otherwise structlog would print log lines between the results
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None  # `tocsin … | head`: the reader has closed the pipe
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except CliError as failure:
            print_error(str(failure), failure.remedy)
        except Exception as error:
            if _is_usage(error) or debug:
                raise
            print_error(_line(error), "" if _is_expected(error) else "run `tocsin --debug …` for a traceback")
        raise typer.Exit(1)


def module_of(command: str) -> str:
    """Return the module of a command."""
    folder = "service.cli.develop" if command in _FOR_DEVELOPMENT else "service.cli"
    return f"{folder}.{command.replace('-', '_')}"


def _is_usage(error: Exception) -> bool:
    """Return True for wrong usage, which typer prints, with exit code 2."""
    return hasattr(error, "exit_code") and hasattr(error, "show")


def _is_expected(error: Exception) -> bool:
    from service.ports import Unavailable
    from service.settings.profile import ProfileError

    return isinstance(error, OSError | Unavailable | ProfileError) or _is_settings_error(error)


def _is_settings_error(error: Exception) -> bool:
    from pydantic import ValidationError

    return isinstance(error, ValidationError) and error.title == "Settings"


def _line(error: Exception) -> str:
    """Return an error as one line. Wrong settings have their environment names, and no values: they may be secrets."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError) and _is_settings_error(error):
        problems = error.errors(include_url=False, include_input=False)
        return "; ".join(f"TOCSIN_{'__'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in problems)
    return str(error) if _is_expected(error) else f"{type(error).__name__}: {error}"
