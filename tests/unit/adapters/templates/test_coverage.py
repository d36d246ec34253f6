"""What is missing in templates that can be used: languages, samples, and fields of samples."""

from collections.abc import Mapping
from pathlib import Path

import structlog

from service.adapters.templates import TemplateRenderer, coverage_gaps, log_gaps
from service.model.catalogue import Catalogue
from service.settings import MailSettings, TemplateSettings
from tests.support.rendering import NOTE, note_type, template_directory

_USES_EXTRA = NOTE.replace("{{ data.body }}", "{{ data.body }} {{ data.amount }}")
_CHOICE = NOTE.replace("{{ data.body }}", "{% if data.amount %}{{ data.amount }}{% endif %}")
_DEFAULT = NOTE.replace("{{ data.body }}", "{{ data.amount | default(0) }}")


def _gaps(tmp_path: Path, templates: Mapping[str, str], **samples: object) -> list[tuple[str, str, str]]:
    root = template_directory(tmp_path, templates)
    names = {name.partition("/")[0] for name in templates}
    types = {
        name: note_type(name, sample=samples[name]) if name in samples else note_type(name)
        for name in sorted(names)
    }
    renderer = TemplateRenderer(MailSettings(), TemplateSettings(directory=root), Catalogue(types))
    return [(gap.kind, gap.subject, gap.file) for gap in coverage_gaps(renderer.library)]


def test_a_language_that_other_types_have_is_missing(tmp_path: Path) -> None:
    """By language: a text in `de-AT` counts for one in `de`. The layout needs words in each, too."""
    gaps = _gaps(
        tmp_path,
        {"note/en": NOTE, "note/fr": NOTE, "note/de-AT": NOTE, "other/en": NOTE, "other/de": NOTE},
    )

    assert gaps == [
        ("template_locale_missing", "other", "other/fr.j2"),
        ("layout_locale_missing", "fr", "layout/fr.toml"),
    ]


def test_a_sample_is_missing_or_lacks_what_texts_use(tmp_path: Path) -> None:
    """One with a condition or a default may be left out, and so may one that no text shows."""
    data = {"data": {"title": "Hello", "body": "World"}}
    templates = {
        "bare/en": NOTE,
        "choice/en": _CHOICE,
        "default/en": _DEFAULT,
        "note/en": NOTE,
        "used/en": _USES_EXTRA,
    }
    gaps = _gaps(tmp_path, templates, bare={}, choice=data, default=data, used=data)

    assert gaps == [
        ("sample_missing", "bare", "catalogue/test.toml"),
        ("sample_field_missing", "used", "catalogue/test.toml"),
    ]


def test_the_log_has_a_line_for_each_locale(tmp_path: Path) -> None:
    """With the first types and their number, so that a new language does not fill the log."""
    templates = {f"t{n:02}/en": NOTE for n in range(12)} | {"t00/de": NOTE}
    root = template_directory(tmp_path, templates)
    catalogue = Catalogue({f"t{n:02}": note_type(f"t{n:02}") for n in range(12)})
    renderer = TemplateRenderer(MailSettings(), TemplateSettings(directory=root), catalogue)

    with structlog.testing.capture_logs() as lines:
        log_gaps(coverage_gaps(renderer.library))

    (line,) = lines
    assert (line["event"], line["kind"]) == ("templates_incomplete", "template_locale_missing")
    assert (line["locale"], line["count"]) == ("de", 11)
    assert line["types"] == [f"t{n:02}" for n in range(1, 11)]
