"""The start-up check: every template of every type can be rendered, or one line says which cannot."""

from collections.abc import Callable, Iterator

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from service.adapters.templates.library import Library, TemplateFault
from service.adapters.templates.sample import sample_delivery
from service.model.catalogue import AudienceRule, NotificationType
from service.model.delivery import Delivery
from service.ports import RenderFailed

_NAMES = {"data", "recipient", "product", "link", "plural", "button"}
_RECIPIENT = {"name", "locale", "role", "timezone"}
_FOREIGN = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


def check(library: Library, render: Callable[[Delivery], object]) -> None:
    """Raises TemplateFault for the first fault found: file, line and what is wrong there.

    `render` is tried with the sample of each type in each of its locales, with and without what is optional.
    """
    for row in library.catalogue:
        locales = library.locales(row.name)
        if not {library.default, "en"} & set(locales):
            raise TemplateFault(f"{row.name}/{library.default}.j2 is missing")
        for locale in locales:
            for line, fault in _faults(library.tree(row.name, locale), row):
                raise TemplateFault(f"{row.name}/{locale}.j2: line {line}: {fault}")
            for delivery in _trials(row, locale):
                try:
                    render(delivery)
                except RenderFailed as failure:
                    raise TemplateFault(f"{failure} (with the sample of {row.name})") from failure


def _faults(tree: nodes.Template, row: NotificationType) -> Iterator[tuple[int, str]]:
    """What would fail, or mean nothing, for some event: found without an event."""
    for foreign in tree.find_all(_FOREIGN):
        yield foreign.lineno, f"{type(foreign).__name__.lower()} is not for the templates of types"
    unknown = find_undeclared_variables(tree) - _NAMES
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            yield name.lineno, f"{name.name} is unknown"
    for use in tree.find_all(nodes.Getattr):
        owner = use.node.name if isinstance(use.node, nodes.Name) else ""
        if owner == "data" and use.attr not in row.meta:
            yield use.lineno, f"data.{use.attr} is not a field of {row.name}"
        if owner == "recipient" and use.attr not in _RECIPIENT:
            yield use.lineno, f"recipient.{use.attr} is unknown"


def _trials(row: NotificationType, locale: str) -> Iterator[Delivery]:
    whole = sample_delivery(row, locale)
    required = {
        name: value for name, value in whole.data.items() if name in row.meta and row.meta[name].required
    }
    yield whole
    yield whole.model_copy(
        update={"data": required, "name": "", "rule": AudienceRule.role, "matched": "admin"}
    )
