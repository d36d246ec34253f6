"""The texts of every notification that comes with Tocsin: complete, and readable with any data."""

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
from service.model.urls import link_fields
from tests.support.paths import ROOT

pytestmark = pytest.mark.exhaustive

TEMPLATES = ROOT / "templates"
LOCALES = ("en", "de")
BLOCKS = ("subject", "preheader", "text", "html", "inbox")
ONE_LINE = ("subject", "preheader", "inbox")
KNOWN_NAMES = frozenset({"data", "recipient", "product", "link", "button", "action_url"})
# Ids of persons, which say nothing to people.
NOT_SHOWN = {name: {"sender_id", "receiver_id"} for name in ("message_from_buyer", "message_from_seller")}
# Of optional fields that are not in a sample, because the document shows the whole event.
VALUES = {"sender_name": "Bob Example"}
STRAY = re.compile(r"  | [.,;:!?)]|\( |\.\.|,\.|None|True|False|!|[{}\[\]]|\*\*")


@cache
def catalogue() -> Catalogue:
    return load_catalogue(TEMPLATES)


NAMES = tuple(type_.name for type_ in catalogue())
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
    url = catalogue()[name].url("https://tocsin.test", data) or "https://tocsin.test"
    context = template.new_context({"data": data, "recipient": recipient, "action_url": url})
    return "".join(template.blocks[block](context)).strip("\n")


def _full(type_: NotificationType) -> dict[str, Any]:
    """Return data with all fields."""
    return {name: VALUES.get(name) for name in type_.meta} | dict(type_.sample["data"])


def _variants(type_: NotificationType) -> Iterator[dict[str, Any]]:
    """Yield data with all fields, without the optional ones, with each of these alone, and with each left out."""
    full = _full(type_)
    optional = [name for name, field in type_.meta.items() if not field.required]
    yield full
    yield {n: None if n in optional else v for n, v in full.items()}
    for one in optional:
        yield {n: None if n in optional and n != one else v for n, v in full.items()}
        yield {**full, one: None}
    for flag in (n for n, f in type_.meta.items() if f.type == "boolean"):
        yield {**full, flag: not full[flag]}
    for count in (n for n, f in type_.meta.items() if f.type == "integer"):
        yield {**full, count: 1}


def _renderings(name: str, locale: str, block: str) -> Iterator[str]:
    type_ = catalogue()[name]
    for data in _variants(type_):
        for role in ("user", "admin"):
            yield _block(name, locale, block, data, role)


class _Tags(HTMLParser):
    """A parser that fails on anything but a few plain tags, each closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"p", "strong", "ul", "li", "a"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("locale", LOCALES)
def test_types_and_templates_match(locale: str) -> None:
    """Each type has a template in each locale, and each template a type."""
    assert {file.parent.name for file in TEMPLATES.glob(f"*/{locale}.j2")} == set(NAMES)


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_template_has_its_blocks_and_nothing_else(name: str, locale: str) -> None:
    """A template has the five blocks in order; it inherits and includes nothing, and has no text outside of them."""
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
    """A template uses every declared field of the data, no other, and only names that the renderer provides."""
    tree = _environment(False).parse(_source(name, locale))
    declared = set(catalogue()[name].meta)
    used: dict[str, set[str]] = {"data": set(), "recipient": set()}
    for node in tree.find_all(nodes.Getattr):
        assert isinstance(node.node, nodes.Name)
        used[node.node.name].add(node.attr)

    assert {node.name for node in tree.find_all(nodes.Name)} <= KNOWN_NAMES
    assert not list(tree.find_all(nodes.Getitem))
    assert used["recipient"] <= {"role"}
    assert used["data"] <= declared
    in_link = set(link_fields(catalogue()[name].link or ""))
    assert used["data"] | in_link == declared - NOT_SHOWN.get(name, set())


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_template_reads_well_with_and_without_each_field(name: str, locale: str) -> None:
    """An absent field leaves no gap, stray mark, `None` or empty part; subject, preheader and inbox are one line."""
    for block in BLOCKS:
        for rendered in _renderings(name, locale, block):
            assert rendered.strip() == rendered
            assert rendered
            assert not STRAY.search(rendered), rendered
            assert re.match(r"[A-ZÄÖÜ0-9<“„]|$", rendered), rendered
            assert block == "html" or "\n\n\n" not in rendered
            assert block not in ONE_LINE or len(rendered.splitlines()) == 1


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_a_subject_is_short(name: str, locale: str) -> None:
    """With the sample's data a subject fits a mailbox listing: 60 characters."""
    rendered = _block(name, locale, "subject", _full(catalogue()[name]), "user")

    assert len(rendered) <= 60, rendered


@pytest.mark.parametrize(("name", "locale"), FILES)
def test_the_html_is_plain_and_closed(name: str, locale: str) -> None:
    """HTML has a few tags, each closed; data is escaped; and each link of the text is one of the HTML part."""
    type_ = catalogue()[name]
    for html in _renderings(name, locale, "html"):
        tags = _Tags()
        tags.feed(html)
        assert tags.open == []
    full = _full(type_)
    hostile = {n: "<b>&" if f.type == "string" else full[n] for n, f in type_.meta.items()}
    html = _block(name, locale, "html", hostile, "user")
    assert "<b>" not in html

    text = _block(name, locale, "text", full, "user")
    html = _block(name, locale, "html", full, "user")
    assert re.findall(r"https://\S+", text) == re.findall(r'href="([^"]+)"', html) != []


@pytest.mark.parametrize("name", NAMES)
def test_locales_have_the_same_content(name: str) -> None:
    """A translation uses the same data and links in each block as the English original."""

    def links(locale: str) -> list[str]:
        return re.findall(r"https://\S+", _block(name, locale, "text", _full(catalogue()[name]), "user"))

    assert links("en") == links("de")
    assert _source(name, "en") != _source(name, "de")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("block", ["subject", "text"])
def test_no_two_types_read_alike(locale: str, block: str) -> None:
    """Each type has its own text, so the recipient can distinguish the types."""
    texts = [_block(r.name, locale, block, dict(next(_variants(r))), "user") for r in catalogue()]

    assert len(set(texts)) == len(texts)


def test_a_message_suits_its_reader_and_an_admin() -> None:
    """The seller reads of their own lot; an admin reads who wrote, and about which lot. No one reads an id."""
    data = catalogue()["message_from_buyer"].sample["data"] | {
        "sender_id": "GCFFCRD3",
        "receiver_id": "GBIOUELR",
    }

    assert "your lot 1" in _block("message_from_buyer", "en", "text", data, "user")
    admin = _block("message_from_buyer", "en", "text", data, "admin")
    assert "your" not in admin
    assert "Bob Example, a potential buyer, has written to the seller of lot 1" in admin
    assert "G" not in admin + _block("message_from_buyer", "en", "html", data, "user")
    unnamed = _block("message_from_buyer", "en", "text", {**data, "sender_name": None}, "user")
    assert unnamed.startswith("A potential buyer of your lot 1 has sent you a message.")
