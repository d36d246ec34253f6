"""The start-up check: render every template of every type, and name each that cannot be used in one line."""

from collections.abc import Callable, Iterator, Sequence, Set

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from service.adapters.template_files import TemplateFault
from service.adapters.templates.digest import DIGEST_PAGES
from service.adapters.templates.library import Library
from service.adapters.templates.sample import sample_delivery, sample_digest, sample_items
from service.model.catalogue import AudienceRule, NotificationType
from service.model.delivery import Delivery, json_document
from service.ports import RenderFailed

_NAMES = {"data", "recipient", "product", "link", "plural", "button", "action_url"}
_RECIPIENT_FIELDS = {"name", "locale", "role", "timezone"}
_DIGEST_NAMES = {"recipient", "product", "link", "plural", "button", "action_url", "count", "more", "types"}
_DISALLOWED = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


def template_faults(library: Library, render: Callable[[Delivery], object]) -> Iterator[str]:
    """Yield the first fault of each template: its file, its line and the reason.

    Call `render` with the sample of each type in each of its locales, with and without optional data.
    """
    for notification_type in library.catalogue:
        name = notification_type.name
        locales = library.locales(name)
        if not {library.default_locale, "en"} & set(locales):
            yield f"{name}/{library.default_locale}.j2 is missing"
        for locale in locales:
            try:
                _check_template(library, notification_type, locale, render)
            except TemplateFault as fault:
                yield str(fault)


def _check_template(
    library: Library, notification_type: NotificationType, locale: str, render: Callable[[Delivery], object]
) -> None:
    name = notification_type.name
    for line, fault in _faults(library.parse(name, locale), notification_type):
        raise TemplateFault(f"{name}/{locale}.j2: line {line}: {fault}")
    for delivery in _trial_deliveries(notification_type, locale):
        try:
            render(delivery)
        except RenderFailed as failure:
            raise TemplateFault(f"{failure} (with the sample of {name})") from failure


def digest_faults(
    library: Library, render: Callable[[Delivery, Sequence[Delivery]], object]
) -> Iterator[str]:
    """Yield the first fault of each template of digests, as `template_faults`; without groups, none.

    Call `render` with digests of each group in each locale that its types are written in: of one item, of each type
    alone with more items than are shown, and of all types.
    """
    groups = library.catalogue.digest_groups()
    for name in DIGEST_PAGES if groups else ():
        for locale in library.locales(name):
            try:
                _check_digest_template(library, name, locale)
            except TemplateFault as fault:
                yield str(fault)
    for group, types in groups.items():
        for locale in sorted({locale for type_ in types for locale in library.locales(type_.name)}):
            try:
                _check_digests(library, group, types, locale, render)
            except TemplateFault as fault:
                yield str(fault)


def _check_digest_template(library: Library, name: str, locale: str) -> None:
    tree = library.parse(name, locale)
    for line, fault in (*_unknown_names(tree, _DIGEST_NAMES), *_button_faults(tree)):
        raise TemplateFault(f"{name}/{locale}.j2: line {line}: {fault}")


def _check_digests(
    library: Library,
    group: str,
    types: Sequence[NotificationType],
    locale: str,
    render: Callable[[Delivery, Sequence[Delivery]], object],
) -> None:
    for name in DIGEST_PAGES:
        written = library.page(name, locale).locale
        if written.partition("-")[0] != locale.partition("-")[0]:
            raise TemplateFault(f"{name}/{locale}.j2 is missing: types of {group} are written in {locale}")
    for digest, items in _trial_digests(group, types, locale):
        try:
            render(digest, items)
        except RenderFailed as failure:
            raise TemplateFault(f"{failure} (with a digest of {group})") from failure


def _faults(tree: nodes.Template, notification_type: NotificationType) -> Iterator[tuple[int, str]]:
    """Yield line and reason of each use of a name that fails, or is always undefined, for some event.

    Reading the parsed template needs no event, so a branch that the samples do not reach is checked too.
    """
    yield from _unknown_names(tree, _NAMES)
    for attribute in tree.find_all(nodes.Getattr):
        parent = attribute.node.name if isinstance(attribute.node, nodes.Name) else ""
        if parent == "data" and attribute.attr not in notification_type.meta:
            yield attribute.lineno, f"data.{attribute.attr} is not a field of {notification_type.name}"
    yield from _person_ids(tree, notification_type)
    yield from _button_faults(tree)


def _unknown_names(tree: nodes.Template, names: Set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and reason of each statement that is not allowed, and of each name that is always undefined."""
    for node in tree.find_all(_DISALLOWED):
        yield node.lineno, f"{type(node).__name__.lower()} is not allowed in a template"
    unknown = find_undeclared_variables(tree) - names
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            yield name.lineno, f"{name.name} is unknown"
    for attribute in tree.find_all(nodes.Getattr):
        parent = attribute.node.name if isinstance(attribute.node, nodes.Name) else ""
        if parent == "recipient" and attribute.attr not in _RECIPIENT_FIELDS:
            yield attribute.lineno, f"recipient.{attribute.attr} is unknown"


def _person_ids(node: nodes.Node, notification_type: NotificationType) -> Iterator[tuple[int, str]]:
    """Yield line and reason of each field that a text may show although it means nothing to people.

    Links and conditions may have it.
    """
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "data":
        if node.attr in notification_type.meta and not notification_type.shows(node.attr):
            reason = "is the id of a person: show a name, or set `shown = true` for it in the catalogue"
            yield node.lineno, f"data.{node.attr} {reason}"
    elif not isinstance(node, nodes.Compare | nodes.Test) and not _is_call(node, "link"):
        conditions = [node.test] if isinstance(node, nodes.If | nodes.CondExpr) else []
        for child in node.iter_child_nodes():
            if child not in conditions:
                yield from _person_ids(child, notification_type)


def _button_faults(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield line and reason unless the HTML has one button, whatever the data are. Other links are text."""
    for block in tree.find_all(nodes.Block):
        if block.name == "html":
            count = sum(_is_call(call, "button") for call in block.find_all(nodes.Call))
            branches = block.find_all((nodes.If, nodes.For, nodes.CondExpr))
            if count != 1:
                yield block.lineno, f"the HTML has {count} buttons, not one: make other links text"
            elif any(_is_call(call, "button") for branch in branches for call in branch.find_all(nodes.Call)):
                yield block.lineno, "the button must not depend on a condition"


def _is_call(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == name


def _trial_deliveries(notification_type: NotificationType, locale: str) -> Iterator[Delivery]:
    """Yield the sample with all data, then with required data only, to an admin without a name."""
    meta = notification_type.meta
    full = sample_delivery(notification_type, locale)
    required = {name: value for name, value in full.data.items() if name in meta and meta[name].required}
    yield full
    yield full.replace(document=json_document(required), name="", rule=AudienceRule.role, matched="admin")


def _trial_digests(
    group: str, types: Sequence[NotificationType], locale: str
) -> Iterator[tuple[Delivery, Sequence[Delivery]]]:
    """Yield digests and their items: of one item, of more than are shown of each type alone, of all types."""
    digest = sample_digest(group, types[0], locale)
    yield digest, sample_items(types[:1], locale, 1)
    for notification_type in types:
        most = notification_type.digest.most if notification_type.digest else 0
        yield digest, sample_items([notification_type], locale, 2 * most + 1)
    yield digest.replace(name=""), sample_items(types, locale, 2 * len(types))
