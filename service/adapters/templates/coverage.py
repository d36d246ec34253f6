"""What is missing in a catalogue that can be used: texts in a language, samples, and fields of samples."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import structlog
from jinja2 import nodes

from service.adapters.templates.library import Library
from service.model.catalogue import NotificationType
from service.pages.language import language_of

log = structlog.get_logger(__name__)

_MOST_NAMED = 10
_DEFAULT = frozenset({"default", "d"})  # the filter and its other name


class CoverageGap(NamedTuple):
    """Something that is missing. `kind`: a word for it. `subject`: the type, or for the layout the locale."""

    kind: str
    subject: str
    sentence: str
    file: str
    """The file that it should be in, as templates are named: `overbid/fr.j2`."""


def coverage_gaps(library: Library, only: NotificationType | None = None) -> list[CoverageGap]:
    """Return what is missing, for all types or for one. Raise TemplateFault for a template that cannot be used."""
    types = [only] if only else list(library.catalogue)
    languages = {language_of(one): one for type_ in library.catalogue for one in library.locales(type_.name)}
    gaps = [gap for type_ in types for gap in _of_type(library, type_, languages)]
    if only is None:
        gaps += [
            CoverageGap(
                "layout_locale_missing",
                locale,
                f"the layout has no words in {locale}: messages are in two languages",
                f"layout/{locale}.toml",
            )
            for language, locale in languages.items()
            if not any(map(library.has_layout, (locale, language)))
        ]
    return gaps


def log_gaps(gaps: Sequence[CoverageGap]) -> None:
    """Write a line for each kind of gap, and for each locale in which texts are missing, with the first types."""
    kinds: dict[tuple[str, str], list[CoverageGap]] = {}
    for gap in gaps:
        locale = gap.file.rpartition("/")[2].partition(".")[0] if gap.kind.endswith("locale_missing") else ""
        kinds.setdefault((gap.kind, locale), []).append(gap)
    for (kind, locale), alike in kinds.items():
        fields = {"locale": locale} if locale else {}
        first = [gap.subject for gap in alike[:_MOST_NAMED]]
        log.warning("templates_incomplete", kind=kind, **fields, types=first, count=len(alike))


def _of_type(library: Library, type_: NotificationType, languages: dict[str, str]) -> Iterator[CoverageGap]:
    name, table = type_.name, f"catalogue/{type_.domain}.toml"
    own = {language_of(locale) for locale in library.locales(name)}
    for language, locale in languages.items():
        if language not in own:
            sentence = f"{name} has no text in {locale}: recipients get it in {library.default_locale}"
            yield CoverageGap("template_locale_missing", name, sentence, f"{name}/{locale}.j2")
    if not type_.sample:
        sentence = (
            f"{name} has no sample: `tocsin preview` and `tocsin publish --sample` show nothing of its data"
        )
        yield CoverageGap("sample_missing", name, sentence, table)
        return
    sample = type_.sample.get("data", {})
    if missing := sorted(_needed_fields(library, name) & type_.meta.keys() - sample.keys()):
        sentence = f"the sample of {name} lacks fields that its texts use: {', '.join(missing)}"
        yield CoverageGap("sample_field_missing", name, sentence, table)


def _needed_fields(library: Library, name: str) -> set[str]:
    """Return the fields of `data` that the templates of a type show, without those that have a condition or a default.

    Such a text has words for both cases, and a sample may be of either.
    """
    templates = [library.parse(name, locale) for locale in library.locales(name)]
    optional: list[nodes.Node | None] = []
    for template in templates:
        optional += (part.test for part in template.find_all(nodes.If))
        optional += (part.test for part in template.find_all(nodes.CondExpr))
        optional += (part.node for part in template.find_all(nodes.Filter) if part.name in _DEFAULT)
    return _data_fields(templates) - _data_fields(filter(None, optional))


def _data_fields(parts: Iterable[nodes.Node]) -> set[str]:
    """Return the `x` of every `data.x` in these parts, and of a part that is nothing else."""
    attributes = (one for part in parts for one in (part, *part.find_all(nodes.Getattr)))
    return {
        one.attr
        for one in attributes
        if isinstance(one, nodes.Getattr) and isinstance(one.node, nodes.Name) and one.node.name == "data"
    }
