"""Deliveries of one recipient become one message: lines by type and key, newest first, the rest counted."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.adapters.templates import TemplateFault, TemplateRenderer, digest_samples, render_preview
from service.adapters.templates.preview import render_sample
from service.model.catalogue import Catalogue, DigestRule, NotificationType
from service.model.delivery import Delivery, json_document
from service.model.holds.digest import digest_of
from service.pages.brand import Brands, BrandTable
from service.ports import DigestItemsFailed, RenderFailed
from service.settings import MailSettings, TemplateSettings, templates_directory
from tests.support.rendering import NOTE, bodies, make_delivery, note_type, parse_message, template_directory
from tests.unit.pages.test_brand import base

UNSUBSCRIBE = {"List-Unsubscribe": "<http://127.0.0.1:8000/unsubscribe/token>"}
NEWS = NOTE.replace("{% block inbox %}", "{% block inbox %}News: ")
ENGLISH_ONE = """\
Hello Alice,

There are 4 new notifications of this kind, the newest first:

- 2 × fourth
  https://tocsin.test/notes/b
- third
  https://tocsin.test/notes/c
and 1 more notification

Open Tocsin: https://tocsin.test
"""
GERMAN_SEVERAL = """\
Guten Tag Alice,

Es gibt 3 neue Benachrichtigungen für Sie, die neueste zuerst:

Eine Notiz (2)
- c
  https://tocsin.test/notes/c
- a
  https://tocsin.test/notes/a

News (1)
- News: b
  https://tocsin.test/notes/b

Tocsin öffnen: https://tocsin.test
"""


def type_of(name: str, **rule: Any) -> NotificationType:
    titles = {"de": "Eine Notiz"} if name == "note" else {}
    return note_type(
        name,
        title="A note" if name == "note" else "News",
        titles=titles,
        link="notes/{title}",
        digest=DigestRule(group="news", **rule),
    )


def make(tmp_path: Path, files: dict[str, str] | None = None, **rule: Any) -> TemplateRenderer:
    """Return a renderer of two types of the group `news`."""
    templates = {"note/en": NOTE, "note/de": NOTE, "news/en": NEWS, "news/de": NEWS}
    root = template_directory(tmp_path, templates | (files or {}))
    catalogue = Catalogue({name: type_of(name, **rule) for name in ("note", "news")})
    return TemplateRenderer(MailSettings(), TemplateSettings(directory=root), catalogue)


def item(number: int, title: str, type_name: str = "note", **changes: Any) -> Delivery:
    """Return an item, received `number` minutes after the first."""
    at_ms = 1_790_000_000_000 + number * 60_000
    fields: dict[str, Any] = {"id": f"{number:024}", "type": type_name, "received_ms": at_ms}
    return make_delivery({"title": title}, **(fields | changes))


def digest(items: Sequence[Delivery], **changes: Any) -> Delivery:
    return digest_of(items[0], "news", items[0].received_ms).replace(**changes)


def test_one_type(tmp_path: Path) -> None:
    """Items of one key are one line, at the place and with the text of the newest; the rest is counted."""
    renderer = make(tmp_path, key="{amount}", most=2, files={"note/en": NOTE.replace(
        "{% block inbox %}{{ data.title }}", "{% block inbox %}{{ data.body }}"
    )})  # fmt: skip
    items = [
        make_delivery({"title": title, "body": body, "amount": amount}, id=f"{amount}{title:0>20}")
        for title, body, amount in (
            ("a", "first", 1),
            ("b", "second", 2),
            ("c", "third", 3),
            ("b", "fourth", 2),
        )
    ]
    message = parse_message(renderer.digest(digest(items), items, UNSUBSCRIBE))
    text, html = bodies(message)

    assert message["Subject"] == "A note: 4 notifications"
    assert text.startswith(ENGLISH_ONE)
    assert 'href="https://tocsin.test/notes/b"' in html
    assert html.index(">fourth<") < html.index(">third<")
    assert "first" not in re.sub("the newest first", "", text + html)
    assert ">and 1 more notification</a>" in html
    assert html.count('class="button-link"') == 1
    assert 'href="http://127.0.0.1:8000/unsubscribe/token"' in html


def test_several_types(tmp_path: Path) -> None:
    """Types have their titles; the one with the newest item comes first. All is in the language of the digest."""
    items = [item(1, "a"), item(2, "b", "news"), item(3, "c", locale="en", timezone="Asia/Tokyo")]
    message = parse_message(make(tmp_path).digest(digest(items, locale="de-AT"), items, {}))
    text, html = bodies(message)

    assert message["Subject"] == "3 Benachrichtigungen von Tocsin"
    assert text.startswith(GERMAN_SEVERAL)
    assert "Eine Notiz (2) News (1)" in html
    assert '<html lang="de"' in html


def test_items_with_the_same_text_are_one_line(tmp_path: Path) -> None:
    """Without a key, too: a line that is repeated says nothing. Only lines that differ count towards the most."""
    items = [item(1, "z"), item(2, "a"), item(3, "b"), item(4, "a"), item(5, "a", "news"), item(6, "a")]
    renderer = make(tmp_path, most=3)
    text = bodies(parse_message(renderer.digest(digest(items), items, {})))[0]

    assert "- 2 × a\n" in text
    assert "- b\n" in text
    assert "- News: a\n" in text
    assert "- z\n" not in text
    assert "and 2 more notifications\n" in text


def test_headers(tmp_path: Path) -> None:
    """List-Id names the group, Date is the newest item's, and the id of the digest gives the Message-ID."""
    items = [item(1, "a"), item(2, "b", "news")]
    message = parse_message(make(tmp_path).digest(digest(items), items, UNSUBSCRIBE))

    assert message["List-Id"] == "<news.tocsin.test>"
    assert message["Feedback-ID"] == "news:digest:en:tocsintest"
    assert message["Date"] == "Mon, 21 Sep 2026 14:15:20 +0000"
    assert message["Message-ID"] == f"<{digest(items).id}@tocsin.test>"
    assert message["List-Unsubscribe"] == UNSUBSCRIBE["List-Unsubscribe"]
    assert len(set(message.keys())) == len(message.keys())


def test_a_group_with_the_name_of_a_type_has_headers_of_its_own(tmp_path: Path) -> None:
    """The headers of a digest do not depend on which mail was rendered before."""
    items = [item(1, "a")]
    first, second = make(tmp_path / "one"), make(tmp_path / "two")
    second.email(item(1, "a", "news"), {})

    assert first.digest(digest(items), items, {}) == second.digest(digest(items), items, {})


def test_same_bytes_at_every_attempt(tmp_path: Path) -> None:
    """A retry gives the same message."""
    items = [item(number, str(number)) for number in range(9)]
    renderer = make(tmp_path)
    retried = [one.replace(attempt=2) for one in items]

    assert renderer.digest(digest(items), items, UNSUBSCRIBE) == renderer.digest(
        digest(retried, attempt=3), retried, UNSUBSCRIBE
    )


def test_signature_comes_first(tmp_path: Path) -> None:
    """A digest is signed as any mail."""
    plain, items = make(tmp_path), [item(1, "a")]
    signing = TemplateRenderer(
        MailSettings(),
        TemplateSettings(directory=tmp_path / "templates"),
        plain.library.catalogue,
        lambda _: b"DKIM-Signature: x\r\n",
    )
    content = plain.digest(digest(items), items, {})
    assert signing.digest(digest(items), items, {}) == b"DKIM-Signature: x\r\n" + content


def test_hostile_data(tmp_path: Path) -> None:
    """Data of items are neither markup nor template, and cannot leave the site."""
    attack = "<script>alert('x')</script>\"><img src=x onerror=y>{{ 7*7 }}\r\nBcc: x"
    items = [item(1, attack), item(2, "../../x")]
    message = parse_message(make(tmp_path).digest(digest(items, name=attack), items, {}))
    text, html = bodies(message)

    assert "<script" not in html
    assert "<img src=x" not in html
    assert "49" not in text.partition("-- \n")[0].replace("%", "")
    assert message["Bcc"] is None
    assert 'href="https://tocsin.test/notes/..%2F..%2Fx"' in html


def test_failed_items_are_named_at_once(tmp_path: Path) -> None:
    """One failure names all items that fail, those behind the shown lines too; without them the digest is rendered."""
    source = NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}{{ data.extra.key }}")
    renderer = make(tmp_path, {"note/en": source}, most=2)
    good = [
        item(number, "x", document=json_document({"extra": {"key": f"k{number}"}})) for number in range(4)
    ]
    items = [item(7, "no extra"), *good, item(8, "none"), item(9, "x", "gone")]

    with pytest.raises(DigestItemsFailed) as failure:
        renderer.digest(digest(items), items, {})

    assert set(failure.value.reasons) == {items[0].id, items[-2].id, items[-1].id}
    assert "note/en.j2: UndefinedError" in failure.value.reasons[items[0].id]
    rest = [one for one in items if one.id not in failure.value.reasons]
    assert "k3" in bodies(parse_message(renderer.digest(digest(items), rest, {})))[0]


@pytest.mark.parametrize(
    "change",
    [
        {"address": "a@x.example,b@y.example"},
        {"document": json_document({"group": "a>\r\nBcc: b"})},
        {"id": ""},
    ],
)
def test_refused_digests(tmp_path: Path, change: dict[str, Any]) -> None:
    """What is wrong with the digest itself is no fault of its items."""
    items = [item(1, "a")]
    with pytest.raises(RenderFailed) as failure:
        make(tmp_path).digest(digest(items, **change), items, {})
    assert not isinstance(failure.value, DigestItemsFailed)


def test_a_digest_needs_items(tmp_path: Path) -> None:
    """A digest without items is not rendered."""
    with pytest.raises(RenderFailed, match="a digest has a group and items"):
        make(tmp_path).digest(digest([item(1, "a")]), [], {})


def test_brands(tmp_path: Path) -> None:
    """Items of one brand are in its look; of several in the default's, each with the link of its own."""
    brands = Brands(base(), {"shop": BrandTable(sources=("/shop",), name="Shop", site="https://shop.test")})
    plain = make(tmp_path)
    renderer = TemplateRenderer(
        MailSettings(),
        TemplateSettings(directory=tmp_path / "templates"),
        plain.library.catalogue,
        brands=brands,
    )
    shop = [item(1, "a", source="/shop"), item(2, "b", source="/shop")]
    mixed = [*shop, item(3, "c")]
    of_shop = parse_message(renderer.digest(digest(shop), shop, {}))
    of_both = bodies(parse_message(renderer.digest(digest(mixed), mixed, {})))[0]

    assert str(of_shop["From"]).startswith("Shop <")
    assert "https://shop.test/notes/a" in bodies(of_shop)[0]
    assert "Open Shop" not in of_both
    assert "https://shop.test/notes/a" in of_both


def test_check_renders_digests(tmp_path: Path) -> None:
    """Valid templates of digests raise nothing; without templates of their own the shipped ones are used."""
    make(tmp_path, key="{title}", most=3).check()


@pytest.mark.parametrize(
    ("name", "before", "after", "fault"),
    [
        ("one", "{{ count|number }}", "{{ total }}", "digest/one/en.j2: line 1: total is unknown"),
        ("one", "{{ more|number }}", "{{ more.x }}", "digest/one/en.j2: UndefinedError: "),
        ("several", "type.title", "type.name", "digest/several/en.j2: UndefinedError: "),
        (
            "several",
            "{% block html %}",
            "{% block x %}",
            "digest/several/en.j2: line 1: block 'html' is missing",
        ),
        ("several", "{{ button(", "{{ link(", "the HTML has 0 buttons, not one"),
    ],
)
def test_check_names_the_fault(tmp_path: Path, name: str, before: str, after: str, fault: str) -> None:
    """A fault of a digest's template is one line with its file; `more` is reached too."""
    source = (templates_directory() / "digest" / name / "en.j2").read_text("utf-8")
    assert before in source
    with pytest.raises(TemplateFault) as failure:
        make(tmp_path, {f"digest/{name}/en": source.replace(before, after)}, most=1).check()
    assert fault in str(failure.value)


def test_a_language_without_templates_of_digests_is_a_fault(tmp_path: Path) -> None:
    """Types in French need templates of digests in French."""
    with pytest.raises(TemplateFault, match=r"digest/one/fr\.j2 is missing: types of news are written in fr"):
        make(tmp_path, {"news/fr": NEWS}).check()


def test_previews(tmp_path: Path) -> None:
    """Digests of a group and of each of its types can be shown, with more items than they have lines."""
    renderer = make(tmp_path, most=3)
    names = list(digest_samples(renderer.library.catalogue))
    preview = render_preview(renderer, MailSettings(), "digest:note", "en")
    _, content = render_sample(renderer, MailSettings(), "digest:news", "de")

    assert names == ["digest:news", "digest:note"]
    assert preview.subject == "A note: 7 notifications"
    assert preview.preheader == "Hello3 Hello2 Hello1"
    assert "and 3 more notifications" in preview.text
    assert parse_message(content)["Subject"] == "8 Benachrichtigungen von Tocsin"
    for unknown in ("digest:other", "digest"):
        with pytest.raises(KeyError):
            render_preview(renderer, MailSettings(), unknown, "en")
