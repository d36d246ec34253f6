"""`tocsin types`: list, show, check and make notification types."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.develop.type_facts import type_facts, type_row
from service.cli.support.cells import plural
from service.cli.support.completion import complete_type
from service.cli.support.factories import find_type, load_catalogue
from service.cli.support.output import CliError, json_line, print_note, print_text, print_wrapped
from service.cli.support.table import Column, Kind, listing, print_table
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.adapters.template_files import TemplateFiles
    from service.adapters.templates import TemplateRenderer
    from service.model.catalogue import Catalogue

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TYPE_COLUMNS = (
    Column("name", priority=9, narrow=20),
    Column("title", priority=6, narrow=20),
    Column("channels", priority=7, narrow=8),
    Column("audience", priority=8),
    Column("domain", priority=5, narrow=8),
    Column("number", Kind.number, priority=3),
)
_FIELDS = (
    Column("field", priority=9),
    Column("type", priority=8, narrow=8),
    Column("required", priority=7, narrow=8),
    Column("description", priority=6),
)
_ERROR, _WARNING = "error", "warning"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@app.callback()
def types() -> None:
    """List, show, check and make notification types."""


@app.command("list")
def list_types(*, as_json: Json = False) -> None:
    """List the notification types of the catalogue."""
    listing(TYPE_COLUMNS, map(type_row, load_catalogue(load())), as_json=as_json)


@app.command()
def show(
    *,
    name: Annotated[
        str, typer.Argument(metavar="TYPE", help="A notification type.", autocompletion=complete_type)
    ],
    as_json: Json = False,
) -> None:
    """Show a notification type: its texts, recipients, channels, limits, fields and sample."""
    from service.adapters.templates import TemplateFault, coverage_gaps

    settings = load()
    catalogue = load_catalogue(settings)
    type_ = find_type(catalogue, name)
    if as_json:
        json_line(type_.model_dump(mode="json", by_alias=True))
        return
    for label, value in type_facts(type_).items():
        print_wrapped(f"{label:<12}{value}", hanging=" " * 12)
    print_text("")
    rows = ({"field": n, **f.model_dump()} for n, f in type_.meta.items())
    print_table(_FIELDS, rows)
    try:
        for gap in coverage_gaps(_renderer(settings, catalogue).library, type_):
            print_note(f"{gap.sentence} ({gap.file})")
    except TemplateFault as fault:
        print_note(str(fault))
    print_note(
        f"`tocsin publish {type_.name} --sample` publishes its sample, `tocsin preview {type_.name}` shows it"
    )


@app.command()
def check(
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors, too.")] = False,
    as_json: Json = False,
) -> None:
    """Check the catalogue and every template, and print each fault and each gap with its file.

    An error is what keeps a worker from starting. A warning is what recipients miss: a text in a language in which
    other types have one, a sample, a field of it. Exit code 1 for errors.
    """
    findings = _findings(load())
    for level, file, text in findings:
        if as_json:
            json_line({"level": level, "file": file, "text": text})
        else:
            print_text(f"{level}: {f'{file}: ' if file else ''}{text}")
    counts = {level: sum(one[0] == level for one in findings) for level in (_ERROR, _WARNING)}
    print_note(f"{plural(counts[_ERROR], 'error')}, {plural(counts[_WARNING], 'warning')}")
    if counts[_ERROR] or (strict and findings):
        raise typer.Exit(1)


def _findings(settings: Settings) -> list[tuple[str, str, str]]:
    """Return level, file and text of what is wrong. The file of a catalogue's fault is in its text, with the line."""
    from service.adapters.catalogue_file import catalogue_faults, configured_catalogue
    from service.adapters.template_files import TemplateFiles
    from service.adapters.templates import TemplateFault, coverage_gaps

    files = TemplateFiles.of(settings.templates)
    faults = [*catalogue_faults(files, settings.mandatory, settings.templates.locale)]
    if faults:
        return [(_ERROR, "", fault) for fault in faults]
    renderer = _renderer(settings, configured_catalogue(settings, files), files)
    faults = [*renderer.faults()]
    try:
        gaps = coverage_gaps(renderer.library)
    except TemplateFault:  # it is one of the faults
        gaps = []
    errors = [(_ERROR, *_placed(files, fault)) for fault in faults]
    return errors + [(_WARNING, str(files.path(gap.file)), gap.sentence) for gap in gaps]


def _placed(files: "TemplateFiles", fault: str) -> tuple[str, str]:
    """Return the path of a fault's file and the rest of its text; no path for one of several files."""
    name, _, text = fault.partition(": ")
    return (str(files.path(name)), text) if name in files else ("", fault)


def _renderer(
    settings: Settings, catalogue: "Catalogue", files: "TemplateFiles | None" = None
) -> "TemplateRenderer":
    """Return the renderer of these files; without them, they are read now. Raise CliError, TemplateFault."""
    from service.adapters.brand_file import BrandError, load_brands
    from service.adapters.templates import TemplateRenderer

    try:
        brands = load_brands(settings.mail, settings.brand)
    except BrandError as error:
        raise CliError(str(error), "fix the file that TOCSIN_BRAND__OVERRIDES names") from error
    return TemplateRenderer(settings.mail, settings.templates, catalogue, brands=brands, files=files)


@app.command()
def new(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: lower case, with underscores.")],
    title: Annotated[str, typer.Option(help="Its title for people; default: from the name.")] = "",
    audience: Annotated[AudienceRule, typer.Option(help="How it finds its recipients.")] = AudienceRule.users,
    channel: Annotated[
        list[Channel] | None, typer.Option(help="A channel; repeatable. Default: every channel.")
    ] = None,
    domain: Annotated[str, typer.Option(help="The file in `catalogue` that it is added to.")] = "own",
    directory: Annotated[
        Path | None, typer.Option(help="The folder of templates; default: TOCSIN_TEMPLATES__DIRECTORY.")
    ] = None,
) -> None:
    """Make a notification type: its table in the catalogue with a sample, and its text in every locale.

    What is made renders and can be published at once; the command says what is left to write.
    """
    from service.cli.develop.type_draft import TypeDraft

    settings = load()
    folder = directory or settings.templates.directory
    if folder is None:
        raise CliError(
            "the shipped templates are not changed",
            "set TOCSIN_TEMPLATES__DIRECTORY to a folder of your own, and TOCSIN_TEMPLATES__SHIPPED=merged to keep the "
            "shipped types",
        )
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(domain):
        raise typer.BadParameter("a name has lower case letters, digits and underscores", param_hint="NAME")
    settings.templates.directory = folder
    catalogue = _catalogue_of(settings)
    if name in catalogue or (folder / name).exists():
        raise CliError(f"there is a type or a folder {name} already in {folder}", "choose another name")
    locales = _locales(settings, catalogue)
    try:
        draft = TypeDraft(
            name, title or name.replace("_", " ").capitalize(), audience, channel or list(Channel)
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--title") from error
    files = draft.write(folder, domain, locales)
    _check(settings)
    for file in files:
        print_text(str(file))
    print_note(
        f"{name} renders in {plural(len(locales), 'locale')}. Left to do: describe its fields and its link in "
        f"{files[0].name}, and write its texts, which have the title only. `tocsin types check` finds what is missing; "
        f"`tocsin preview --serve` shows them as you write; `tocsin publish {name} --sample` publishes one."
    )


@app.command()
def generate(
    *,
    language: Annotated[
        str, typer.Argument(metavar="LANGUAGE", help="A language of the clients: python, typescript, java.")
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to write to; in Java, of the sources.")
    ],
    package: Annotated[
        str | None, typer.Option(help="The package of the classes, in Java: com.example.events.")
    ] = None,
) -> None:
    """Write typed events of the catalogue, for the client of upstream services in a language.

    Files of the same names are replaced.
    """
    from service.cli.develop.sdk import LANGUAGES, describe, java

    if language not in LANGUAGES:
        raise typer.BadParameter(f"must be one of {', '.join(LANGUAGES)}", param_hint="LANGUAGE")
    if package and language != "java":
        raise typer.BadParameter("only Java has packages", param_hint="--package")
    generator = partial(java.generate, package=package) if package else LANGUAGES[language]
    catalogue = load_catalogue(load())
    try:
        files = generator(describe(catalogue))
    except ValueError as error:
        raise CliError(f"the classes cannot be written: {error}") from error
    for name, text in files.items():
        file = output / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        print_text(str(file))
    print_note(f"events of {plural(len(catalogue), 'type')} written")


def _catalogue_of(settings: Settings) -> "Catalogue":
    """Return the catalogue that a type is added to. Raise CliError, with a hint where the folder has none yet."""
    from service.adapters.template_files import catalogue_paths

    templates = settings.templates
    assert templates.directory is not None
    if templates.shipped == "merged":
        templates.directory.mkdir(parents=True, exist_ok=True)
    elif not catalogue_paths(templates.directory):
        raise CliError(
            f"{templates.directory} has no catalogue",
            "set TOCSIN_TEMPLATES__SHIPPED=merged to add types to the shipped ones, or `tocsin templates export DIR`",
        )
    return load_catalogue(settings)


def _locales(settings: Settings, catalogue: "Catalogue") -> list[str]:
    """Return the locales that types are written in; the default one at least."""
    from service.adapters.template_files import TemplateFiles

    templates = TemplateFiles.of(settings.templates).templates()
    written = {locale for type_ in catalogue for locale in templates.get(type_.name, ())}
    return sorted({*written, settings.templates.locale})


def _check(settings: Settings) -> None:
    """Render every template. Raise CliError with the first fault."""
    from service.adapters.templates import TemplateFault

    try:
        _renderer(settings, load_catalogue(settings)).check()
    except TemplateFault as fault:
        raise CliError(str(fault), "fix the template") from fault
