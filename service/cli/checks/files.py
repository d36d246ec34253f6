"""Check of the catalogue, the brands and the templates: loaded and rendered as at each start of a worker."""

import json
from collections.abc import Iterator, Sequence

from service.cli.checks import Finding, fail, hint, ok, warn
from service.cli.support.factories import load_catalogue
from service.cli.support.output import CliError
from service.model.catalogue import Catalogue
from service.settings import Settings

_MOST_GAPS = 3


def check_files(settings: Settings) -> Sequence[Finding]:
    """Return the findings on the catalogue, on the brands, then on the templates of the types."""
    from service.adapters.brand_file import BrandError, load_brands
    from service.adapters.templates import TemplateFault, TemplateRenderer, coverage_gaps

    try:
        catalogue = load_catalogue(settings)
    except CliError as failure:
        return [fail("catalogue", str(failure), "fix the file, or set TOCSIN_TEMPLATES__DIRECTORY")]
    findings = [
        ok("catalogue", f"{len(catalogue)} notification types"),
        *_optional_types(settings, catalogue),
    ]
    try:
        brands = load_brands(settings.mail, settings.brand)
    except BrandError as error:
        return [*findings, fail("brands", str(error), "fix the file that TOCSIN_BRAND__OVERRIDES names")]
    names = ", ".join(f"{brand.name} ({brand.key or 'default'})" for brand in brands)
    findings.append(ok("brands", names))
    try:
        renderer = TemplateRenderer(settings.mail, settings.templates, catalogue, brands=brands)
        renderer.check()
    except TemplateFault as fault:
        return [
            *findings,
            fail("templates", str(fault), "fix the template; `tocsin preview TYPE` renders it"),
        ]
    locales = sorted({locale for type_ in catalogue for locale in renderer.library.locales(type_.name)})
    gaps = [gap.sentence for gap in coverage_gaps(renderer.library)]
    if gaps:
        more = f"; {len(gaps) - _MOST_GAPS} more" if len(gaps) > _MOST_GAPS else ""
        detail = f"{'; '.join(gaps[:_MOST_GAPS])}{more}"
        findings.append(warn("template coverage", detail, "`tocsin types check` lists all, with files"))
    return [*findings, ok("templates", f"locales {', '.join(locales)}")]


def _optional_types(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    """Yield a hint where recipients can switch off types that the catalogue recommends to make mandatory."""
    optional = [type_.name for type_ in catalogue if type_.recommend_mandatory and not type_.mandatory]
    if optional:
        setting = json.dumps([*settings.mandatory, *optional])
        detail = f"recipients can switch off {len(optional)} types that they may need: {', '.join(optional)}"
        yield hint("mandatory types", detail, f"to prevent it, set TOCSIN_MANDATORY='{setting}'")
