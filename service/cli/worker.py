"""`tocsin worker`: run stages until SIGTERM."""

from typing import Annotated

import typer

from service.cli.support.output import CliError

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

    On SIGTERM begin no further message, wait for the relays' replies up to TOCSIN_WORKER__DRAIN, and stop. On SIGHUP
    load catalogue, brands and templates again.
    """
    from service.adapters.brand_file import BrandError
    from service.adapters.catalogue_file import CatalogueError
    from service.adapters.template_files import TemplateFault
    from service.adapters.tracing import TracingUnavailable
    from service.bootstrap.contents import check_contents
    from service.bootstrap.parts import bootstrap
    from service.bootstrap.reload import ignore_hangups
    from service.observability.logs import configure
    from service.settings import load
    from streams.run import run_worker
    from streams.worker.stage_table import UnknownStage

    ignore_hangups()
    settings = load()
    if stages:
        settings.worker.stages = tuple(name.strip() for name in stages.split(",") if name.strip())
    configure(settings.log_level, settings.log_format)
    try:
        parts = bootstrap(settings)
        if settings.worker.renders:
            check_contents(parts.contents)
        run_worker(parts)
    except (CatalogueError, BrandError, TemplateFault, TracingUnavailable, UnknownStage) as error:
        raise CliError(str(error)) from error
