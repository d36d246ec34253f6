"""`tocsin templates export`: the shipped templates and catalogue as files of one's own."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from service.cli.support.cells import plural
from service.cli.support.completion import complete_type
from service.cli.support.output import CliError, print_note, print_text
from service.settings import templates_directory

_CATALOGUE = "catalogue"

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def templates() -> None:
    """Export the shipped templates, to change them."""


@app.command()
def export(
    *,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="A type, `layout` or `digest`; repeatable. For a folder that is merged with the shipped one.",
            autocompletion=complete_type,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write the shipped templates and the catalogue to a folder, which TOCSIN_TEMPLATES__DIRECTORY then names.

    With --only, write the texts of some types, or the layout, for TOCSIN_TEMPLATES__SHIPPED=merged: a folder should
    have the files only that differ, so that all others change with each release.
    """
    shipped = templates_directory()
    names = sorted(file.relative_to(shipped) for file in shipped.rglob("*") if file.is_file())
    for part in only or ():
        if part == _CATALOGUE or not any(name.parts[0] == part for name in names):
            raise CliError(
                f"there are no shipped texts of {part}",
                "name a type, or `layout`, or `digest`; `tocsin types list`",
            )
    if only:
        names = [name for name in names if name.parts[0] in only]
    existing = [name for name in names if (directory / name).exists()]
    if existing and not force:
        raise CliError(
            f"{directory} has {plural(len(existing), 'file')} that would be overwritten, such as {existing[0]}",
            "choose another folder, or overwrite them with --force",
        )
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped / name, directory / name)
    print_text(str(directory))
    merged = " and TOCSIN_TEMPLATES__SHIPPED=merged" if only else ""
    print_note(
        f"{plural(len(names), 'file')} written; set TOCSIN_TEMPLATES__DIRECTORY={directory.absolute()}{merged}"
    )
