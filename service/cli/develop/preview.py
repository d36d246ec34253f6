"""`tocsin preview`: render the message of a notification type as recipients will see it."""

import sys
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.completion import complete_type
from service.cli.support.factories import load_catalogue
from service.cli.support.output import CliError, print_note
from service.model.mask import printable
from service.settings import load

if TYPE_CHECKING:
    from service.adapters.templates import Preview

app = typer.Typer(add_completion=False)


class PreviewPart(StrEnum):
    """The part of a message to print."""

    html = "html"
    text = "text"
    headers = "headers"
    raw = "raw"


@app.command(no_args_is_help=True)
def preview(
    *,
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="A notification type; or digest:GROUP, digest:TYPE.",
            autocompletion=complete_type,
        ),
    ] = "",
    locale: Annotated[str, typer.Option(help="Locale; default: TOCSIN_TEMPLATES__LOCALE.")] = "",
    part: Annotated[
        PreviewPart | None, typer.Option(help="Print only this part; default: headers and text.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the HTML part in a browser.")] = False,
    brand: Annotated[str, typer.Option(help="A brand of TOCSIN_BRAND__OVERRIDES, by its table's name.")] = "",
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve all types as a page that reloads when files change.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of --serve, on this machine only.")] = 8026,
) -> None:
    """Render the message of a notification type from its sample event. Send nothing."""
    if serve:
        _serve(port, type_name, open_browser)
        return
    if not type_name:
        raise typer.BadParameter("give a type, or --serve", param_hint="TYPE")
    from service.adapters.brand_file import BrandError, load_brands
    from service.adapters.templates import TemplateFault, TemplateRenderer, digest_samples, render_preview
    from service.adapters.templates.preview import render_sample
    from service.ports import RenderFailed

    settings = load()
    catalogue = load_catalogue(settings)
    declared = catalogue.get(type_name)
    name = declared.name if declared else type_name
    language = locale or settings.templates.locale
    try:
        brands = load_brands(settings.mail, settings.brand)
        if brand and brand not in brands.tables:
            raise CliError(f"there is no brand {brand}", "see the file that TOCSIN_BRAND__OVERRIDES names")
        renderer = TemplateRenderer(settings.mail, settings.templates, catalogue, brands=brands)
        if part is PreviewPart.raw:  # byte for byte as a relay receives it
            sys.stdout.buffer.write(render_sample(renderer, settings.mail, name, language, brand)[1])
            return
        rendered = render_preview(renderer, settings.mail, name, language, brand)
    except KeyError:
        digests = ", ".join(digest_samples(catalogue))
        hint = f"; digests: {digests}" if digests else ""
        raise CliError(
            f"there is no type {type_name}", f"`tocsin publish --list` lists the types{hint}"
        ) from None
    except BrandError as error:
        raise CliError(str(error), "fix the file") from error
    except (TemplateFault, RenderFailed) as fault:
        raise CliError(str(fault), "fix the template") from fault
    if open_browser:
        _open(name.replace(":", "-"), rendered)
    else:
        typer.echo(_text(rendered, part))


def _serve(port: int, type_name: str, open_browser: bool) -> None:
    from service.dev.preview_server import serve_previews

    url = f"http://127.0.0.1:{port}/preview" + (f"/{type_name}" if type_name else "")
    print_note(f"serving {url} until Ctrl-C")
    if open_browser:
        typer.launch(url)
    serve_previews(load(), port)


def _text(rendered: "Preview", part: PreviewPart | None) -> str:
    headers = "\n".join(f"{name}: {printable(value)}" for name, value in rendered.headers)
    if part is PreviewPart.html:
        return rendered.html
    if part is PreviewPart.text:
        return rendered.text
    if part is PreviewPart.headers:
        return headers
    return f"{headers}\n\n{rendered.text}\nInbox: {rendered.inbox}\nSize: {rendered.size} octets"


def _open(name: str, rendered: "Preview") -> None:
    with NamedTemporaryFile(
        "w", encoding="utf-8", prefix=f"tocsin-{name}-", suffix=".html", delete=False
    ) as file:
        file.write(rendered.html)
    print_note(file.name)
    typer.launch(Path(file.name).as_uri())
