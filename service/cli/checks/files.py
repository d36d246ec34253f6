"""Catalogue and templates: loaded and tried with every sample, as at every start."""

from collections.abc import Sequence

from service.cli.checks import Finding, fail, ok
from service.cli.support.factories import catalogue_of
from service.cli.support.output import CliError
from service.settings import Settings


def check_files(settings: Settings) -> Sequence[Finding]:
    """The catalogue, then the templates of its types."""
    from service.adapters.templates import TemplateFault, TemplateRenderer

    try:
        catalogue = catalogue_of(settings)
    except CliError as failure:
        return [fail("catalogue", str(failure), "mend the file, or set TOCSIN_TEMPLATES__DIRECTORY")]
    found = [ok("catalogue", f"{len(catalogue)} notification types")]
    try:
        renderer = TemplateRenderer(settings.mail, settings.templates, catalogue)
        renderer.check()
    except TemplateFault as fault:
        return [*found, fail("templates", str(fault), "mend the template; `tocsin preview TYPE` shows it")]
    locales = sorted({locale for row in catalogue for locale in renderer.library.locales(row.name)})
    return [*found, ok("templates", f"locales {', '.join(locales)}")]
