"""`python -m tests.support.cli_reference` prints docs/reference/cli.md: every command with its options."""

import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

from service.cli import app
from service.cli.support.command_group import COMMANDS, module_of

_HEAD = """# Command line

Every command with its arguments and options, as `tocsin COMMAND --help` shows them. This page is
made from the code (`make docs`). [Use the command line](../how-to/use-the-command-line.md) has the
rules that hold for all commands, and examples.
"""

_CONTEXT = typer.Context(typer.main.get_command(app))


def cli_reference() -> str:
    """Return the page."""
    lines = [_HEAD, "## Options of every command", "", *_options(typer.main.get_command(app))]
    for name, help_ in COMMANDS.items():
        command = typer.main.get_command(import_module(module_of(name)).app)
        lines += ["", f"## {name}", "", help_, *_command(f"tocsin {name}", command)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _runnable(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", {})
    if not subcommands or getattr(command, "invoke_without_command", False):
        yield words, command
    for name, subcommand in subcommands.items():
        yield from _runnable(f"{words} {name}", subcommand)


def _command(words: str, command: Any) -> Iterator[str]:
    for usage, runnable in _runnable(words, command):
        arguments = [
            _metavar(parameter) for parameter in runnable.params if not hasattr(parameter, "is_flag")
        ]
        yield from ("", f"### `{' '.join((usage, *arguments))}`", "")
        if runnable.help:
            yield from (_paragraphs(runnable.help), "")
        yield from _options(runnable)


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return f"{name if argument.required else f'[{name}]'}{'…' if argument.nargs == -1 else ''}"


def _options(command: Any) -> list[str]:
    rows = [_row(parameter) for parameter in command.params if not parameter.hidden]
    return ["| | |", "|---|---|", *rows] if rows else []


def _row(parameter: Any) -> str:
    if not hasattr(parameter, "is_flag"):
        return f"| `{_metavar(parameter)}` | {_text(parameter.help or '')} |"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = "" if parameter.is_flag else f" `{parameter.metavar or parameter.display_type(_CONTEXT)}`"
    return f"| {names}{value} | {_text(parameter.help or '')} |"


def _paragraphs(help_: str) -> str:
    """Return a help text as Markdown, wrapped like the other pages."""
    return "\n\n".join(textwrap.fill(_text(paragraph), 100) for paragraph in help_.split("\n\n"))


def _text(help_: str) -> str:
    """Return a help text as one line of Markdown."""
    return re.sub(r"\s+", " ", help_.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")).strip()


if __name__ == "__main__":
    print(cli_reference(), end="")
