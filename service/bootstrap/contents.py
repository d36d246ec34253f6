"""What messages are made of: catalogue, brands and templates, loaded as one version that never changes."""

from dataclasses import dataclass
from pathlib import Path

from service.adapters.brand_file import load_brands
from service.adapters.catalogue_file import load_catalogue, read_catalogue
from service.adapters.dkim import dkim_signer
from service.adapters.template_files import FileStamps, TemplateFiles, file_stamps, template_directories
from service.adapters.templates import TemplateRenderer, coverage_gaps, log_gaps
from service.model.catalogue import Catalogue
from service.pages.brand import Brands
from service.settings import Settings, templates_directory


@dataclass(frozen=True, slots=True)
class Contents:
    """A version of catalogue, brands and templates. `stamps`: those of the files before they were read.

    `fingerprint`: equal where two processes have the same version.
    """

    catalogue: Catalogue
    brands: Brands
    renderer: TemplateRenderer
    fingerprint: str
    stamps: FileStamps


def load_contents(settings: Settings, *, signed: bool = True) -> Contents:
    """Read all files, and return them. Raise CatalogueError, BrandError, TemplateFault, or ValueError for a DKIM key.

    `check_contents` renders every template once, which takes a second. `signed`: messages have DKIM signatures.
    """
    stamps = content_stamps(settings)
    files = TemplateFiles.of(settings.templates)
    catalogue = read_catalogue(files, settings.mandatory, settings.templates.locale)
    brands = load_brands(settings.mail, settings.brand)
    sign = dkim_signer(settings.mail) if signed else None
    return Contents(
        catalogue=catalogue,
        brands=brands,
        renderer=TemplateRenderer(settings.mail, settings.templates, catalogue, sign, brands, files=files),
        fingerprint=files.fingerprint(repr(sorted(settings.mandatory)).encode(), _brand_bytes(settings)),
        stamps=stamps,
    )


def check_contents(contents: Contents) -> None:
    """Render every template, and log what is missing. Raise TemplateFault for one that cannot be used."""
    contents.renderer.check()
    log_gaps(coverage_gaps(contents.renderer.library))


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
