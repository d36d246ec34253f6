"""A delivery becomes an email or a line of the inbox."""

from pathlib import Path
from typing import Any

import pytest

from service.adapters.templates import TemplateRenderer, render_preview
from service.model.catalogue import AudienceRule
from service.ports import RenderFailed
from service.settings import MailSettings, TemplateSettings
from tests.support.rendering import NOTE, bodies, make_delivery, make_renderer, parse_message

UNSUBSCRIBE = {
    "List-Unsubscribe": "<http://127.0.0.1:8000/unsubscribe/token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


@pytest.fixture
def note_renderer(tmp_path: Path) -> TemplateRenderer:
    return make_renderer(tmp_path)


def test_headers(note_renderer: TemplateRenderer) -> None:
    """Each header occurs once; To has the recipient alone; the id gives the Message-ID."""
    message = parse_message(note_renderer.email(make_delivery(), UNSUBSCRIBE))

    assert len(set(message.keys())) == len(message.keys())
    assert {name: str(value) for name, value in message.items()} == {
        "From": "Tocsin <notifications@tocsin.test>",
        "To": "Alice <alice@example.com>",
        "Subject": "Hello",
        "Date": "Mon, 21 Sep 2026 14:13:20 +0000",
        "Message-ID": "<0123456789abcdef01234567@tocsin.test>",
        **UNSUBSCRIBE,
        "MIME-Version": "1.0",
        "Auto-Submitted": "auto-generated",
        "List-Id": "<note.tocsin.test>",
        "Feedback-ID": "note:test:en:tocsintest",
        "Content-Language": "en",
        "Content-Type": 'multipart/alternative; boundary="=_tocsin"',
    }


def test_parts(note_renderer: TemplateRenderer) -> None:
    """Text comes first, then HTML, both with greeting, body and unsubscribe link; the preheader is in HTML only."""
    text, html = bodies(parse_message(note_renderer.email(make_delivery(), UNSUBSCRIBE)))

    assert text.startswith("Hello Alice,\n\nWorld\n\n-- \n")
    assert "\nhttp://127.0.0.1:8000/unsubscribe/token\n" in text
    assert "in short" not in text
    for piece in (
        ">Hello Alice,</p>",
        ">World</p>",
        'href="https://tocsin.test/notes/Hello"',
        "Hello in short",
    ):
        assert piece in html
    assert 'href="http://127.0.0.1:8000/unsubscribe/token"' in html
    assert '<html lang="en" dir="ltr"' in html


@pytest.mark.parametrize("headers", [{}, {"List-Unsubscribe": "<https://elsewhere.example/x>"}])
def test_no_link_to_unsubscribe(note_renderer: TemplateRenderer, headers: dict[str, str]) -> None:
    """Without List-Unsubscribe the layout has no unsubscribe link, and never one to another site."""
    text, html = bodies(parse_message(note_renderer.email(make_delivery(), headers)))

    assert "nsubscribe" not in text + html
    assert "elsewhere" not in text + html


def test_greeting_without_a_name(note_renderer: TemplateRenderer) -> None:
    """A recipient without a name is greeted without one."""
    assert bodies(parse_message(note_renderer.email(make_delivery(name=" "), {})))[0].startswith("Hello,\n\n")


def test_same_bytes_at_every_attempt(note_renderer: TemplateRenderer) -> None:
    """A retry gives the same message."""
    assert note_renderer.email(make_delivery(), UNSUBSCRIBE) == note_renderer.email(
        make_delivery(attempt=3), UNSUBSCRIBE
    )


@pytest.mark.parametrize(
    ("rule", "matched", "role"),
    [
        (AudienceRule.role, "admin", "admin"),
        (AudienceRule.users, "", "user"),
        (AudienceRule.users, "admin", "user"),
        (AudienceRule.role, "x", "user"),
    ],
)
def test_role(tmp_path: Path, rule: AudienceRule, matched: str, role: str) -> None:
    """Only a recipient notified in the role of an admin has that role in templates."""
    source = NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}{{ recipient.role }}")
    assert role == make_renderer(tmp_path, {"note/en": source}).inbox_line(
        make_delivery(rule=rule, matched=matched)
    )


def test_locale_of_numbers_follows_the_language(tmp_path: Path) -> None:
    """Numbers follow the recipient's locale within the language of the text, else the locale of the text."""
    source = NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}{{ data.amount|number }}")
    note_renderer = make_renderer(tmp_path, {"note/en": source, "note/de": source})

    assert note_renderer.inbox_line(make_delivery({"amount": 1234}, locale="de-CH")) == "1’234"
    assert note_renderer.inbox_line(make_delivery({"amount": 1234}, locale="pl")) == "1,234"


@pytest.mark.parametrize(
    "text", ["{{ 7*7 }}", "{% for x in y %}", "{# no #}", "[[ 7*7 ]]", "${7*7}", "{{ data }}"]
)
def test_data_is_never_a_template(note_renderer: TemplateRenderer, text: str) -> None:
    """Template syntax in data is text."""
    delivery = make_delivery({"title": text, "body": text}, name=text)
    message = parse_message(note_renderer.email(delivery, {}))

    assert text == message["Subject"] == note_renderer.inbox_line(delivery)
    assert all(f"{text}" in body for body in bodies(message))
    assert "49" not in bodies(message)[0]


def test_html_is_escaped(note_renderer: TemplateRenderer) -> None:
    """Markup in data is escaped in the HTML part, and unchanged in the text part."""
    attack = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;"
    text, html = bodies(
        parse_message(note_renderer.email(make_delivery({"title": attack, "body": attack}, name=attack), {}))
    )

    assert attack in text
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert "&amp;amp;" in html


@pytest.mark.parametrize("name", ["items", "keys", "_fields", "__class__", "get", "title"])
def test_fields_do_not_collide(tmp_path: Path, name: str) -> None:
    """A field may have any name; none reaches an attribute or method of Python."""
    source = NOTE.replace(
        "{% block inbox %}{{ data.title }}", "{% block inbox %}{{ data.extra." + name + " }}"
    )
    assert (
        make_renderer(tmp_path, {"note/en": source}).inbox_line(make_delivery({"extra": {name: "found"}}))
        == "found"
    )


@pytest.mark.parametrize(
    "expression",
    [
        "data.extra.missing",
        "data.body.__class__.__mro__",
        "link.__globals__",
        "recipient.address",
        "data.title + 1",
        "1 // 0",
        "range(10**9)",
        "link('a', '..')",
        "self.inbox()",
    ],
)
def test_failures_to_render(tmp_path: Path, expression: str) -> None:
    """Any failure in a template is a RenderFailed that names the template and shows no data."""
    source = NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}{{ " + expression + " }}")
    note_renderer = make_renderer(tmp_path, {"note/en": source})

    with pytest.raises(RenderFailed) as failure:
        note_renderer.inbox_line(make_delivery({"title": "secret-canary", "extra": {"key": "secret-canary"}}))

    assert "secret-canary" not in str(failure.value)


def test_absent_optional_fields(tmp_path: Path) -> None:
    """A declared field that the event leaves out is None, and is written as empty text."""
    source = NOTE.replace(
        "{% block inbox %}{{ data.title }}",
        "{% block inbox %}{% if data.amount is none %}none{% endif %}[{{ data.at|date }}{{ data.amount }}]",
    )
    assert make_renderer(tmp_path, {"note/en": source}).inbox_line(make_delivery()) == "none[]"


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ("'https://evil.example'", "/https%3A%2F%2Fevil.example"),
        ("'//evil.example', 'x'", "/%2F%2Fevil.example/x"),
        ("'@evil.example'", "/%40evil.example"),
        ("'a?b=c#d'", "/a%3Fb%3Dc%23d"),
        ("'..\\\\x', None, 5", "/..%5Cx/5"),
        ("'%2e%2e'", "/%252e%252e"),
        ("'ü\\r\\n'", "/%C3%BC%0D%0A"),
    ],
)
def test_links_stay_on_the_site(tmp_path: Path, parts: str, url: str) -> None:
    """No part of a link can lead to another site or climb in its paths."""
    source = NOTE.replace("{% block inbox %}{{ data.title }}", "{% block inbox %}{{ link(" + parts + ") }}")
    assert f"https://tocsin.test{url}" == make_renderer(tmp_path, {"note/en": source}).inbox_line(
        make_delivery()
    )


@pytest.mark.parametrize("site", ["javascript:alert(1)", "tocsin.test", ""])
def test_site_must_be_a_web_address(tmp_path: Path, site: str) -> None:
    """A site that is not a web address is refused at the start."""
    with pytest.raises(ValueError, match=r"mail\.site"):
        make_renderer(tmp_path, site=site)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "a@x.example\r\nBcc: b@y.example"},
        {"address": "a@x.example,b@y.example"},
        {"id": "a>\r\nBcc: b@y.example"},
        {"id": ""},
    ],
)
def test_refused_deliveries(note_renderer: TemplateRenderer, change: dict[str, Any]) -> None:
    """A delivery that is not valid for a message is refused, not repaired."""
    with pytest.raises(RenderFailed):
        note_renderer.email(make_delivery(**change), {})


def test_signature_comes_first(tmp_path: Path) -> None:
    """The header that `sign` makes of the finished message comes before it."""
    plain = make_renderer(tmp_path)
    messages: list[bytes] = []

    def sign(message: bytes) -> bytes:
        messages.append(message)
        return b"DKIM-Signature: x\r\n"

    signing = TemplateRenderer(
        MailSettings(), TemplateSettings(directory=tmp_path / "templates"), plain.library.catalogue, sign
    )
    assert b"DKIM-Signature: x\r\n" + plain.email(make_delivery(), {}) == signing.email(make_delivery(), {})
    assert [plain.email(make_delivery(), {})] == messages


def test_preview(note_renderer: TemplateRenderer) -> None:
    """A preview has the parts of the sample's message."""
    preview = render_preview(note_renderer, MailSettings(), "note", "en")

    assert (preview.subject, preview.preheader, preview.inbox) == ("Hello", "Hello in short", "Hello")
    assert "World" in preview.text
    assert "World</p>" in preview.html
    assert "List-Unsubscribe" in dict(preview.headers)
    assert preview.size > len(preview.text) + len(preview.html)
