"""The words of every notification that comes with Tocsin: complete, and fit to be read whatever the data."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import StrictUndefined, Template, nodes
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import Catalogue, NotificationType
from tests.support.paths import ROOT

TEMPLATES = ROOT / "templates"
LOCALES = ("en", "de")
BLOCKS = ("subject", "preheader", "text", "html", "inbox")
ONE_LINE = ("subject", "preheader", "inbox")
GIVEN = frozenset({"data", "recipient", "product", "link", "button"})
# The recipients themselves: their own id tells them nothing.
UNSHOWN = {"message_from_seller": {"receiver_id"}}
STRAY = re.compile(r"  | [.,;:!?)]|\( |\.\.|,\.|None|True|False|!|[{}\[\]]|\*\*")


@cache
def catalogue() -> Catalogue:
    return load_catalogue(TEMPLATES)


NAMES = tuple(row.name for row in catalogue())
FILES = tuple((name, locale) for name in NAMES for locale in LOCALES)


def _link(*parts: str) -> str:
    return "https://tocsin.test/" + "/".join(parts)


def _button(url: str, label: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url, label)


def _day(value: str) -> str:
    return datetime.fromisoformat(value).strftime("%-d %B %Y")


def _time(value: str) -> str:
    return datetime.fromisoformat(value).strftime("%-d %B %Y, %H:%M UTC")


@cache
def _environment(html: bool) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=html)
    environment.filters |= {
        "date": _day,
        "datetime": _time,
        "money": lambda value, currency: f"{value:,.2f} {escape(currency)}",
        "number": lambda value: f"{value:,}",
    }
    environment.globals |= {"link": _link, "button": _button, "product": "Tocsin"}
    return environment


def _source(name: str, locale: str) -> str:
    return (TEMPLATES / name / f"{locale}.j2").read_text("utf-8")


@cache
def _template(name: str, locale: str, html: bool) -> Template:
    return _environment(html).from_string(_source(name, locale))


def _block(name: str, locale: str, block: str, data: Mapping[str, Any], role: str) -> str:
    template = _template(name, locale, block == "html")
    recipient = {"name": "Alice", "locale": locale, "role": role}
    context = template.new_context({"data": data, "recipient": recipient})
    return "".join(template.blocks[block](context)).strip("\n")


def _variants(row: NotificationType) -> Iterator[dict[str, Any]]:
    """Data with all fields, with none of the optional ones, with each alone, and with each left out."""
    full = dict(row.sample["data"])
    optional = [name for name, field in row.meta.items() if not field.required]
    yield full
    yield {n: None if n in optional else v for n, v in full.items()}
    for one in optional:
        yield {n: None if n in optional and n != one else v for n, v in full.items()}
        yield {**full, one: None}
    for flag in (n for n, f in row.meta.items() if f.type == "boolean"):
        yield {**full, flag: not full[flag]}
    for count in (n for n, f in row.meta.items() if f.type == "integer"):
        yield {**full, count: 1}


def _renderings(name: str, locale: str, block: str) -> Iterator[str]:
    row = catalogue()[name]
    for data in _variants(row):
        for role in ("user", "admin"):
            yield _block(name, locale, block, data, role)


class _Tags(HTMLParser):
    """Fails on anything but a few plain tags, each closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"p", "strong", "ul", "li", "a"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("locale", LOCALES)
def test_no_template_lacks_its_type(locale: str) -> None:
    """Each type has a template in each locale, and each template a type."""
    assert {file.parent.name for file in TEMPLATES.glob(f"*/{locale}.j2")} == set(NAMES)


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_template_has_its_blocks_and_nothing_else(name: str, locale: str) -> None:
    """The five blocks in their order; nothing is inherited or included, and nothing stands outside."""
    tree = _environment(False).parse(_source(name, locale))
    foreign = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.Macro)

    assert tuple(block.name for block in tree.find_all(nodes.Block)) == BLOCKS
    assert not list(tree.find_all(foreign))
    for node in tree.body:
        if not isinstance(node, nodes.Block):
            assert isinstance(node, nodes.Output)
            assert all(isinstance(n, nodes.TemplateData) and not n.data.strip() for n in node.nodes)


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_template_knows_the_data(name: str, locale: str) -> None:
    """It uses every declared field of the data, no other, and no name that the renderer does not give."""
    tree = _environment(False).parse(_source(name, locale))
    declared = set(catalogue()[name].meta)
    used: dict[str, set[str]] = {"data": set(), "recipient": set()}
    for node in tree.find_all(nodes.Getattr):
        assert isinstance(node.node, nodes.Name)
        used[node.node.name].add(node.attr)

    assert {node.name for node in tree.find_all(nodes.Name)} <= GIVEN
    assert not list(tree.find_all(nodes.Getitem))
    assert used["recipient"] <= {"role"}
    assert used["data"] <= declared
    assert used["data"] == declared - UNSHOWN.get(name, set())


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_template_reads_well_with_and_without_each_field(name: str, locale: str) -> None:
    """No gap, stray mark, `None` or empty part is left where a field is absent; one line where one is due."""
    for block in BLOCKS:
        for said in _renderings(name, locale, block):
            assert said.strip() == said
            assert said
            assert not STRAY.search(said), said
            assert re.match(r"[A-ZÄÖÜ0-9<“„]|$", said), said
            assert block == "html" or "\n\n\n" not in said
            assert block not in ONE_LINE or len(said.splitlines()) == 1


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_subject_is_short(name: str, locale: str) -> None:
    """With the sample's data a subject shows whole in a list of mails: 60 characters."""
    said = _block(name, locale, "subject", catalogue()[name].sample["data"], "user")

    assert len(said) <= 60, said


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_the_html_is_plain_and_closed(name: str, locale: str) -> None:
    """A few tags, each closed; data is escaped; and each link of the text is a button of the HTML part."""
    row = catalogue()[name]
    for said in _renderings(name, locale, "html"):
        tags = _Tags()
        tags.feed(said)
        assert tags.open == []
    hostile = {n: "<b>&" if f.type == "string" else row.sample["data"][n] for n, f in row.meta.items()}
    html = _block(name, locale, "html", hostile, "user")
    assert "<b>" not in html

    text = _block(name, locale, "text", row.sample["data"], "user")
    html = _block(name, locale, "html", row.sample["data"], "user")
    assert re.findall(r"https://\S+", text) == re.findall(r'href="([^"]+)"', html) != []


@pytest.mark.parametrize("name", NAMES)
def test_locales_say_the_same(name: str) -> None:
    """A translation uses the same data and links in each block as the English original."""

    def links(locale: str) -> list[str]:
        return re.findall(
            r"https://\S+", _block(name, locale, "text", catalogue()[name].sample["data"], "user")
        )

    assert links("en") == links("de")
    assert _source(name, "en") != _source(name, "de")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("block", ["subject", "text"])
def test_no_two_types_read_alike(locale: str, block: str) -> None:
    """Each type's words are its own: a reader can tell which it was."""
    said = [_block(r.name, locale, block, dict(next(_variants(r))), "user") for r in catalogue()]

    assert len(set(said)) == len(said)


def test_a_message_reads_right_for_its_reader_and_for_an_admin() -> None:
    """The seller is told of their lot; an admin is told who wrote to whom."""
    data = catalogue()["message_from_buyer"].sample["data"]

    assert "your lot 1" in _block("message_from_buyer", "en", "text", data, "user")
    admin = _block("message_from_buyer", "en", "text", data, "admin")
    assert "your" not in admin
    assert "From: bob. To: alice." in admin
