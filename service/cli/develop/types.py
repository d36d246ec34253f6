"""`tocsin types`: list, show and make notification types."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.support.cells import plural
from service.cli.support.completion import complete_type
from service.cli.support.factories import find_type, load_catalogue
from service.cli.support.output import CliError, json_line, print_note, print_text, print_wrapped
from service.cli.support.table import Column, Kind, listing, print_table
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.holds.calendar import WEEK
from service.settings import Settings, load

if TYPE_CHECKING:
    from service.model.catalogue import DigestRule, MailLimitRule, NotificationType, Schedule
    from service.model.holds.calendar import QuietHours

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
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@app.callback()
def types() -> None:
    """List, show and make notification types."""


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
    type_ = find_type(load_catalogue(load()), name)
    if as_json:
        json_line(type_.model_dump(mode="json", by_alias=True))
        return
    for label, value in _facts(type_).items():
        print_wrapped(f"{label:<12}{value}", hanging=" " * 12)
    print_text("")
    rows = ({"field": n, **f.model_dump()} for n, f in type_.meta.items())
    print_table(_FIELDS, rows)
    print_note(
        f"`tocsin publish {type_.name} --sample` publishes its sample, `tocsin preview {type_.name}` shows it"
    )


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
            "`tocsin templates export DIR`, then set TOCSIN_TEMPLATES__DIRECTORY=DIR",
        )
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(domain):
        raise typer.BadParameter("a name has lower case letters, digits and underscores", param_hint="NAME")
    settings.templates.directory = folder
    catalogue = load_catalogue(settings)
    if name in catalogue or (folder / name).exists():
        raise CliError(f"there is a type or a folder {name} already in {folder}", "choose another name")
    locales = sorted({file.stem for type_ in catalogue for file in (folder / type_.name).glob("*.j2")})
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
        f"{files[0].name}, and write its texts, which have the title only. `tocsin preview --serve` shows them as you "
        f"write; `tocsin publish {name} --sample` publishes one."
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


def _check(settings: Settings) -> None:
    """Render every template. Raise CliError with the first fault."""
    from service.adapters.brand_file import load_brands
    from service.adapters.templates import TemplateFault, TemplateRenderer

    catalogue, brands = load_catalogue(settings), load_brands(settings.mail, settings.brand)
    try:
        TemplateRenderer(settings.mail, settings.templates, catalogue, brands=brands).check()
    except TemplateFault as fault:
        raise CliError(str(fault), "fix the template") from fault


def type_row(type_: "NotificationType") -> dict[str, Any]:
    """Return a type's row in a listing."""
    return {
        "name": type_.name,
        "domain": type_.domain,
        "number": type_.number,
        "title": type_.title,
        "channels": ", ".join(type_.channels),
        "audience": ", ".join(f"{r.kind} {r.role}" if r.role else str(r.kind) for r in type_.audience),
    }


def _facts(type_: "NotificationType") -> Mapping[str, Any]:
    rules = ("mandatory", "security", "notify_actor", "skip_email_if_read")
    facts = {
        "name": type_.name,
        "title": "; ".join((type_.title, *(f"{locale}: {title}" for locale, title in type_.titles.items()))),
        "description": type_.description,
        "domain": type_.domain,
        "audience": type_row(type_)["audience"],
        "channels": ", ".join(type_.channels),
        "lane": type_.lane.value,
        "expires": f"after {_duration(type_.ttl_s)}; kept for {_duration(type_.kept_s)}",
        "link": type_.link,
        "supersedes": type_.supersede,
        "digest": _digest(type_.digest),
        "limit": _limit(type_.limit),
        "quiet hours": _quiet_hours(type_.quiet_hours),
        "schedule": _schedule(type_.schedule),
        "inbox first": f"mail after {_duration(type_.mail_if_unread_s)}, if unread"
        if type_.mail_if_unread_s
        else "",
        "reminders": f"every {_duration(type_.reminders.every_s)}, {plural(type_.reminders.most, 'time')}"
        if type_.reminders
        else "",
        "rules": ", ".join(name.replace("_", " ") for name in rules if getattr(type_, name)),
    }
    return {label: value for label, value in facts.items() if value}


def _digest(rule: "DigestRule | None") -> str:
    if rule is None:
        return ""
    by_default = f"{rule.frequency}, after {_duration(rule.wait_s)}" if rule.wait_s else rule.frequency.value
    parts = (
        f"group {rule.group}" if rule.group else "",
        f"one line for each {rule.key}" if rule.key else "",
        f"{by_default} by default",
        f"daily at {rule.at}, weekly on {rule.day}",
        f"at most {plural(rule.most, 'line')}",
    )
    return "; ".join(filter(None, parts))


def _limit(rule: "MailLimitRule | None") -> str:
    if rule is None:
        return ""
    counts = [f"{count} {span}" for count, span in ((rule.hour, "an hour"), (rule.day, "a day")) if count]
    more = "further mail is skipped" if rule.over == "skip" else "further mail waits"
    return f"{', '.join(counts)}; {more}"


def _quiet_hours(windows: "QuietHours | None") -> str:
    return "; ".join(
        f"{window.start}-{window.end}" + ("" if window.days == WEEK else f" on {', '.join(window.days)}")
        for window in windows or ()
    )


def _schedule(schedule: "Schedule | None") -> str:
    if schedule is None:
        return ""
    days = "" if schedule.days == WEEK else f"on {', '.join(schedule.days)}"
    delay = f"after {_duration(schedule.delay_s)}" if schedule.delay_s else ""
    return " ".join(filter(None, (delay, f"at {schedule.at}" if schedule.at else "", days)))


def _duration(span_s: int) -> str:
    days, hours = span_s // 86_400, span_s // 3600
    if span_s % 86_400 == 0:
        return plural(days, "day")
    if span_s % 3600 == 0:
        return plural(hours, "hour")
    return plural(span_s // 60, "minute") if span_s % 60 == 0 else plural(span_s, "second")
