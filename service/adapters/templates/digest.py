"""What a digest shows of its items: lines, newest first, one for all items of a key, and the count of the rest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.model.catalogue import DIGEST, Catalogue, DigestRule
from service.model.delivery import Delivery
from service.ports import DigestItemsFailed, RenderFailed

ONE_TYPE, SEVERAL_TYPES = DIGEST_PAGES = (f"{DIGEST}/one", f"{DIGEST}/several")
"""The templates of digests: of items of one type, and of several."""

ShowItem = Callable[[Delivery], tuple[str, str | None]]
"""Returns the text of an item, one line, and the URL of the page that it is about, if any. Raises RenderFailed."""


@dataclass(frozen=True, slots=True)
class DigestPage:
    """The template of a digest, and the names that only templates of digests have, with their values."""

    name: str
    values: Mapping[str, Any]


def digest_page(
    items: Sequence[Delivery], group: str, catalogue: Catalogue, locale: str, show: ShowItem
) -> DigestPage:
    """Return the template and the values of a digest of `items`, oldest first.

    Lines with the same text and URL are one. Only the newest item of each line that is shown is rendered. Where one of
    these fails, all items are, and DigestItemsFailed names those that fail.
    """
    types = catalogue.digest_groups().get(group)
    rule = (types[0].digest if types else None) or DigestRule()
    sections: dict[str, dict[str, Any]] = {}
    lines: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    shown = 0
    try:
        for line in _lines(items, catalogue):
            if len(lines) == rule.most:
                break
            type_name = line[0].type
            section = sections.get(type_name)
            if section is None:
                title = catalogue[type_name].title_in(locale)
                section = sections[type_name] = {"title": title, "count": 0, "lines": []}
            text, url = show(line[0])
            if (own := lines.get((type_name, text, url))) is None:
                own = lines[type_name, text, url] = {"text": text, "url": url, "count": 0}
                section["lines"].append(own)
            own["count"] += len(line)
            shown += len(line)
    except (RenderFailed, KeyError):
        raise DigestItemsFailed(_failures(items, show)) from None
    counts = _counts(items)
    for type_name, section in sections.items():
        section["count"] = counts[type_name]
    values = {"count": len(items), "more": len(items) - shown, "types": list(sections.values())}
    return DigestPage(ONE_TYPE if len(counts) == 1 else SEVERAL_TYPES, values)


def _lines(items: Sequence[Delivery], catalogue: Catalogue) -> Iterable[list[Delivery]]:
    """Return the items of each line, the newest line and the newest item first."""
    lines: dict[object, list[Delivery]] = {}
    for item in reversed(items):
        declared = catalogue.get(item.type)
        has_key = declared and declared.digest and declared.digest.key
        key = declared.digest_key(item.data) if declared and has_key else ""
        lines.setdefault((item.type, key) if key else item.id, []).append(item)
    return lines.values()


def _counts(items: Sequence[Delivery]) -> Mapping[str, int]:
    """Return how many items there are of each type."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.type] = counts.get(item.type, 0) + 1
    return counts


def _failures(items: Sequence[Delivery], show: ShowItem) -> Mapping[str, str]:
    """Return the ids of the items that cannot be rendered, and why."""
    failures: dict[str, str] = {}
    for item in items:
        try:
            show(item)
        except RenderFailed as failure:
            failures[item.id] = str(failure)
    return failures
