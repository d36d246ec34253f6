"""What messages are made of: catalogue, brands and templates, loaded as one version that never changes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from service.adapters.brand_file import load_brands
from service.adapters.catalogue_file import configured_catalogue, load_catalogue
from service.adapters.template_files import FileStamps, TemplateFiles, file_stamps, template_directories
from service.bootstrap.mail_ports import template_renderer
from service.model.catalogue import Catalogue
from service.pages.brand import Brands
from service.settings import Settings, templates_directory

if TYPE_CHECKING:
    from service.adapters.templates import TemplateRenderer


@dataclass(frozen=True, slots=True)
class Contents:
    """A version of catalogue, brands and templates. `stamps`: those of the files before they were read.

    `make_renderer` returns the same renderer each time, and imports what it needs at the first: most processes render
    nothing. It raises TemplateFault, or ValueError for an invalid DKIM key.
    `fingerprint`: equal where two processes have the same version.
    """

    catalogue: Catalogue
    brands: Brands
    make_renderer: "Callable[[], TemplateRenderer]"
    fingerprint: str
    stamps: FileStamps


def load_contents(settings: Settings, *, signed: bool = True) -> Contents:
    """Read all files, and return them. Raise CatalogueError or BrandError.

    The templates are not checked: `check_contents` does. `signed`: messages have DKIM signatures.
    """
    stamps = content_stamps(settings)
    files = TemplateFiles.of(settings.templates)
    catalogue = configured_catalogue(settings, files)
    brands = load_brands(settings.mail, settings.brand)
    return Contents(
        catalogue=catalogue,
        brands=brands,
        make_renderer=cache(partial(template_renderer, settings, files, catalogue, brands, signed=signed)),
        fingerprint=files.fingerprint(repr(sorted(settings.mandatory)).encode(), _brand_bytes(settings)),
        stamps=stamps,
    )


def check_contents(contents: Contents) -> None:
    """Render every template, and log what is missing. Call it in a process that renders; it takes a second.

    Raise TemplateFault for a template that cannot be used, ValueError for an invalid DKIM key.
    """
    from service.adapters.templates import coverage_gaps, log_gaps  # noqa: PLC0415 - most processes render nothing

    renderer = contents.make_renderer()
    renderer.check()
    log_gaps(coverage_gaps(renderer.library))


def content_stamps(settings: Settings) -> FileStamps:
    """Return what shows whether a file has changed since a version was loaded."""
    overrides = settings.brand.overrides
    return file_stamps(template_directories(settings.templates), *([overrides] if overrides else []))


def _brand_bytes(settings: Settings) -> bytes:
    overrides: Path | None = settings.brand.overrides
    return overrides.read_bytes() if overrides else b""


def shipped_catalogue() -> Catalogue:
    """Return the catalogue of the shipped templates, independent of any setting. Raise CatalogueError."""
    return load_catalogue(templates_directory())
