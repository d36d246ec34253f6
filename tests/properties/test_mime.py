"""Our messages against the standard library's, for any content."""

import asyncio
import gc
import json
import quopri
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.adapters.smtp.content import dot_stuffed
from service.adapters.templates import TemplateRenderer
from service.adapters.templates.headers import one_line
from service.adapters.templates.quoted_printable import join_pieces
from tests.support.paths import CORPORA
from tests.support.rendering import bodies, make_delivery, make_renderer, parse_message

PLAIN = """\
{% block subject %}{{ data.title }}{% endblock %}
{% block preheader %}{% endblock %}
{% block text %}<<{{ data.body }}>>{% endblock %}
{% block html %}<pre>{{ data.body }}</pre>{% endblock %}
{% block inbox %}{{ data.title }}{% endblock %}
"""
END_OF_DATA = [
    a + "." + b for a in ("\n", "\r", "\r\n", "\n\n", "\x00") for b in ("\n", "\r", "\r\n", "\r\x00\n")
]
TEXT = st.one_of(
    st.text(),
    st.text(st.sampled_from(".\r\nFrom =?_ \tü€𝄞\x00\u2028-")),
    st.sampled_from(END_OF_DATA),
    st.text(st.characters(max_codepoint=126, min_codepoint=32), min_size=200, max_size=2000),
)


@pytest.fixture(scope="module")
def note_renderer(tmp_path_factory: pytest.TempPathFactory) -> TemplateRenderer:
    return make_renderer(tmp_path_factory.mktemp("mime"), {"note/en": PLAIN})


@cache
def naughty() -> list[str]:
    path = CORPORA / "naughty_strings.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there; TOCSIN_CORPORA names the folder that holds it")
    return [text for text in json.loads(path.read_text("utf-8")) if isinstance(text, str)]


def reference(title: str, text: str, html: str) -> EmailMessage:
    """Return the standard library's message of the same content; `title` must be without controls."""
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = "Alice <alice@example.com>"
    message["Subject"] = title
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    # Not folded: CPython 3.11 loses spaces where it folds encoded subjects.
    return parse_message(message.as_bytes(policy=policy.SMTP.clone(max_line_length=0)))


def lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(subject: str) -> str:
    """Return a subject as it is sent: the data of an event may be longer than a subject should be."""
    return subject if len(subject) <= 500 else f"{subject[:499]}…"


def check_message(note_renderer: TemplateRenderer, title: str, body: str) -> None:
    """Check one message as a whole."""
    content = note_renderer.email(make_delivery({"title": title, "body": body}), {})
    message = parse_message(content)
    text, html = bodies(message)

    assert message["Subject"] == shown(one_line(title))
    assert [address.addr_spec for address in message["To"].addresses] == ["alice@example.com"]
    assert f"<<{lf(body)}>>" in text
    expected = lf(body).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    expected = expected.replace('"', "&#34;").replace("'", "&#39;")
    assert f"<pre>{expected}</pre>" in html

    if "=?" not in title:  # the standard library would take that for an encoded-word
        other = reference(one_line(title), text, html)
        assert shown(str(other["Subject"])) == message["Subject"]
        assert bodies(other)[0].rstrip("\n") == text.rstrip("\n")
        assert bodies(other)[1].rstrip("\n") == html.rstrip("\n")

    for line in content[:-2].split(b"\r\n"):
        assert len(line) <= 78
        assert not line.startswith((b".", b"From "))
    assert content.isascii()
    assert content.count(b"--=_tocsin") == 3
    assert content == dot_stuffed(content)


@given(TEXT, TEXT)
@example("", "")
@example("=?utf-8?q?a=0ABcc=3A_v=40x?=", "--=_tocsin\r\n\r\n--=_tocsin--")
@example("a\u2028Bcc: v@x", ".\r\nMAIL FROM:<x@y>\r\n")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_same_as_the_standard_library(note_renderer: TemplateRenderer, title: str, body: str) -> None:
    """Any content gives the same headers and the same decoded bodies, in lines that are safe for SMTP and mbox."""
    check_message(note_renderer, title, body)


def test_every_naughty_string(note_renderer: TemplateRenderer) -> None:
    """Strings known to break programs are safe as title, as body and as a name."""
    for text in naughty():
        check_message(note_renderer, text, text)
        (address,) = parse_message(note_renderer.email(make_delivery(name=text), {}))["To"].addresses
        assert address.addr_spec == "alice@example.com"


@pytest.mark.parametrize("end", END_OF_DATA)
def test_no_end_of_data_in_any_field(note_renderer: TemplateRenderer, end: str) -> None:
    """No text can end the message early and begin another one (CVE-2023-51764 and similar)."""
    attack = f"a{end}MAIL FROM:<v@x>{end}"
    content = note_renderer.email(make_delivery({"title": attack, "body": attack}, name=attack), {})

    assert content == dot_stuffed(content)
    assert b"\0" not in content
    assert not any(
        line.startswith((b".", b"MAIL FROM")) for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    )


def canary(number: int) -> tuple[str, str]:
    """Return two words that only one recipient's message may contain."""
    return f"canary{number:05d}x", f"kanarie{number:05d}ü"


def check_canaries(messages: dict[int, bytes]) -> None:
    for number, content in messages.items():
        text, html = bodies(parse_message(content))
        own, other = canary(number)
        for part in (text, html):
            assert part.count(own) == part.count(other) == 1
            assert part.count("canary") == part.count("kanarie") == 1


def render_canary(note_renderer: TemplateRenderer, number: int) -> bytes:
    return note_renderer.email(
        make_delivery({"title": str(number), "body": " ".join(canary(number))}, name=f"N{number}"), {}
    )


def test_threads_share_nothing(tmp_path: Path) -> None:
    """Messages rendered at the same time in threads, first without compiled templates, share no content."""
    fresh = make_renderer(tmp_path, {"note/en": PLAIN})
    start = threading.Barrier(8)

    def work(thread: int) -> dict[int, bytes]:
        start.wait()
        return {number: render_canary(fresh, number) for number in range(thread, 400, 8)}

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    check_canaries({number: content for result in results for number, content in result.items()})


async def test_interleaved_bodies_share_nothing(note_renderer: TemplateRenderer) -> None:
    """Bodies written piece by piece in turns, and messages rendered between, share no content."""
    page = note_renderer.library.page("note", "en")

    async def render_slowly(number: int) -> str:
        pieces = []
        values = note_renderer._values(
            note_renderer.library, page, make_delivery({"title": "t", "body": " ".join(canary(number))})
        )
        values["subject"] = "t"
        _, html = page.bodies(values)
        for piece in html:
            pieces.append(piece)
            render_canary(note_renderer, number + 1000)
            await asyncio.sleep(0)
        return quopri.decodestring(join_pieces(pieces)).decode()

    for number, body in enumerate(await asyncio.gather(*map(render_slowly, range(10)))):
        assert canary(number)[0] in body
        assert body.count("canary") == 1


def test_rendering_leaves_no_trace(note_renderer: TemplateRenderer) -> None:
    """Between messages the renderer keeps nothing of them, whatever it refers to."""
    for number in range(50):
        render_canary(note_renderer, number)

    kept = [text for text in reachable(note_renderer) if isinstance(text, str | bytes)]
    assert any("<pre" in str(text) for text in kept)
    assert not [text for text in kept if "canary" in str(text)]


def reachable(root: object) -> Iterator[object]:
    """Yield every object that `root` refers to, but not those of modules."""
    seen, pending = set(), [root]
    while pending:
        found = pending.pop()
        if id(found) in seen or isinstance(found, ModuleType | type):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, FunctionType):
            pending.append(found.__code__.co_consts)
        else:
            pending += gc.get_referents(found)
