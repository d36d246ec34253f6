"""`tocsin preview`: a type's mail as its readers will see it."""

import sys
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.factories import catalogue_of
from service.cli.support.output import CliError, print_note, printable
from service.settings import load

if TYPE_CHECKING:
    from service.adapters.templates import Preview, TemplateRenderer
    from service.model.catalogue import NotificationType
    from service.settings import MailSettings

app = typer.Typer(add_completion=False)


class PreviewPart(StrEnum):
    """What of a mail is shown."""

    html = "html"
    text = "text"
    headers = "headers"
    raw = "raw"


@app.command(no_args_is_help=True)
def preview(
    *,
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="A notification type.")] = "",
    locale: Annotated[str, typer.Option(help="Whose language; TOCSIN_TEMPLATES__LOCALE, unless given.")] = "",
    part: Annotated[
        PreviewPart | None, typer.Option(help="Only this; headers and text, unless given.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the HTML part in a browser.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="All types as a page that follows the files.")
    ] = False,
    port: Annotated[int, typer.Option(help="Where --serve listens, on this machine only.")] = 8026,
) -> None:
    """Render the mail of a type from its sample event. Sends nothing."""
    if serve:
        _serve(port, type_name, show)
        return
    if not type_name:
        raise typer.BadParameter("name a type, or ask for --serve", param_hint="TYPE")
    from service.adapters.templates import TemplateFault, TemplateRenderer, render_preview
    from service.ports import RenderFailed

    settings = load()
    catalogue = catalogue_of(settings)
    row = catalogue.get(type_name)
    if row is None:
        raise CliError(f"there is no type {type_name}", "`tocsin publish --list` shows the types")
    language = locale or settings.templates.locale
    try:
        renderer = TemplateRenderer(settings.mail, settings.templates, catalogue)
        if part is PreviewPart.raw:
            _raw(renderer, settings.mail, row, language)
            return
        seen = render_preview(renderer, settings.mail, row.name, language)
    except (TemplateFault, RenderFailed) as fault:
        raise CliError(str(fault), "mend the template") from fault
    if show:
        _open(row.name, seen)
    else:
        typer.echo(_shown(seen, part))


def _serve(port: int, type_name: str, show: bool) -> None:
    from service.dev.preview_server import serve_previews

    url = f"http://127.0.0.1:{port}/preview" + (f"/{type_name}" if type_name else "")
    print_note(f"{url}, until Ctrl-C")
    if show:
        typer.launch(url)
    serve_previews(load(), port)


def _shown(seen: "Preview", part: PreviewPart | None) -> str:
    headers = "\n".join(f"{name}: {printable(value)}" for name, value in seen.headers)
    if part is PreviewPart.html:
        return seen.html
    if part is PreviewPart.text:
        return seen.text
    if part is PreviewPart.headers:
        return headers
    return f"{headers}\n\n{seen.text}\nInbox: {seen.inbox}\nSize: {seen.size} octets"


def _raw(renderer: "TemplateRenderer", mail: "MailSettings", row: "NotificationType", locale: str) -> None:
    """The bytes as a relay gets them."""
    from service.adapters.templates.preview import sample_headers
    from service.adapters.templates.sample import sample_delivery

    headers = {} if row.mandatory else sample_headers(mail)
    sys.stdout.buffer.write(renderer.email(sample_delivery(row, locale), headers))


def _open(name: str, seen: "Preview") -> None:
    with NamedTemporaryFile(
        "w", encoding="utf-8", prefix=f"tocsin-{name}-", suffix=".html", delete=False
    ) as file:
        file.write(seen.html)
    print_note(file.name)
    typer.launch(Path(file.name).as_uri())
