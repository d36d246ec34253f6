"""`tocsin worker`: run stages until SIGTERM."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.support.output import CliError

if TYPE_CHECKING:
    from service.bootstrap.parts import Parts

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    stages: Annotated[
        str,
        typer.Option(
            help="Stages, separated by commas; default: TOCSIN_WORKER__STAGES, else resolve, inbox, email, schedule "
            "and tables."
        ),
    ] = "",
) -> None:
    """Run stages: resolve, inbox, email, schedule, tables, bounces, rates.

    On SIGTERM begin no further message, wait for the relays' replies up to TOCSIN_WORKER__DRAIN, and stop.
    """
    from service.adapters.brand_file import BrandError
    from service.adapters.catalogue_file import CatalogueError
    from service.adapters.tracing import TracingUnavailable
    from service.bootstrap.parts import bootstrap
    from service.observability.logs import configure
    from service.settings import load
    from streams.run import run_worker
    from streams.worker.stage_table import UnknownStage

    settings = load()
    if stages:
        settings.worker.stages = tuple(name.strip() for name in stages.split(",") if name.strip())
    configure(settings.log_level, settings.log_format)
    try:
        parts = bootstrap(settings)
        if not {"inbox", "email"}.isdisjoint(settings.worker.stages):
            _check_templates(parts)
        run_worker(parts)
    except (CatalogueError, BrandError, TracingUnavailable, UnknownStage) as error:
        raise CliError(str(error)) from error


def _check_templates(parts: "Parts") -> None:
    """Render each template once. Raise CliError for one with a fault."""
    from service.adapters.templates import TemplateFault

    try:
        parts.renderer.check()
    except TemplateFault as error:
        raise CliError(str(error)) from error
