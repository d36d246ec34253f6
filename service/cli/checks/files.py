"""Check of the catalogue and the templates: loaded and rendered with every sample, as at each start of a worker."""

from collections.abc import Sequence

from service.cli.checks import Finding, fail, ok
from service.cli.support.factories import load_catalogue
from service.cli.support.output import CliError
from service.settings import Settings


def check_files(settings: Settings) -> Sequence[Finding]:
    """Return the findings on the catalogue, then on the templates of its types."""
    from service.adapters.templates import TemplateFault, TemplateRenderer

    try:
        catalogue = load_catalogue(settings)
    except CliError as failure:
        return [fail("catalogue", str(failure), "fix the file, or set TOCSIN_TEMPLATES__DIRECTORY")]
    findings = [ok("catalogue", f"{len(catalogue)} notification types")]
    try:
        renderer = TemplateRenderer(settings.mail, settings.templates, catalogue)
        renderer.check()
    except TemplateFault as fault:
        return [
            *findings,
            fail("templates", str(fault), "fix the template; `tocsin preview TYPE` renders it"),
        ]
    locales = sorted({locale for type_ in catalogue for locale in renderer.library.locales(type_.name)})
    return [*findings, ok("templates", f"locales {', '.join(locales)}")]
