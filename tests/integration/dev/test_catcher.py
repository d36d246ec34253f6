"""The mail catcher over its real sockets: messages are kept, shown by Mailpit's API, and harmless to view."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import aiosmtplib
import httpx
import pytest

from service.dev.catcher import Catcher
from service.dev.errors import DevStackError

SLOW_S = 0.05
RAW = (
    b"From: Tocsin <no-reply@example.com>\r\nTo: Alice <alice@example.com>\r\nReply-To: help@example.com\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <id-1@example.com>\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n"
    b"List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n.dotted \xc3\xa9\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<!doctype html><html><head><title>t</title></head><body><p>Hello</p></body></html>\r\n--b--\r\n"
)
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
EVIL_RAW = (
    f"From: {EVIL} <evil@example.com>\r\nSubject: {EVIL}\r\n"
    f"X-{EVIL.replace(' ', '')}: 1\r\nX-Evil: {EVIL}\r\n"
    f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    f"Content-Type: text/plain\r\n\r\n{EVIL}</pre>\r\n"
    f"--b\r\nContent-Type: text/html\r\n\r\n<script>parent.document.title='owned'</script>{EVIL}\r\n"
    f'--b\r\nContent-Disposition: attachment; filename="{EVIL.replace(chr(34), "")}"\r\n\r\nx\r\n--b--\r\n'
).encode()


class Elements(HTMLParser):
    """The scripts, images, frames and event handlers of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.images: list[str | None] = []
        self.handlers: list[str] = []
        self.frames: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self.handlers += [name for name in known if name.startswith("on")]
        if tag == "script":
            self.scripts.append(known.get("src"))
        if tag == "img":
            self.images.append(known.get("src"))
        if tag == "iframe":
            self.frames.append(known)


@pytest.fixture
async def catcher() -> AsyncIterator[Catcher]:
    async with Catcher(slow_s=SLOW_S) as running:
        yield running


@pytest.fixture
async def smtp(catcher: Catcher) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=catcher.smtp_port, start_tls=False)
    await client.connect()
    yield client
    client.close()


@pytest.fixture
async def web(catcher: Catcher) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=catcher.url, timeout=30) as client:
        yield client


async def send(smtp: aiosmtplib.SMTP, to: str = "alice@example.com", raw: bytes = RAW) -> None:
    await smtp.sendmail("bounce@example.com", [to], raw)


async def test_announces_its_extensions(smtp: aiosmtplib.SMTP) -> None:
    """EHLO lists 8BITMIME, SMTPUTF8 and SIZE, but not PIPELINING, which aiosmtpd does not announce."""
    await smtp.ehlo()

    assert [smtp.supports_extension(name) for name in ("8bitmime", "smtputf8", "size", "pipelining")] == [
        True,
        True,
        True,
        False,
    ]


async def test_keeps_the_bytes_as_sent(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """The raw message equals the sent one byte for byte, with leading dots and 8-bit text."""
    await send(smtp)
    raw = await web.get("/api/v1/message/latest/raw")

    assert raw.content == RAW
    assert raw.headers["content-type"].startswith("text/plain")


async def test_accepts_addresses_beyond_ascii(catcher: Catcher, smtp: aiosmtplib.SMTP) -> None:
    """With SMTPUTF8 an address may have letters beyond ASCII."""
    await smtp.sendmail(
        "b@example.com", ["jürgen@exämple.com"], RAW, mail_options=["SMTPUTF8", "BODY=8BITMIME"]
    )

    assert catcher.mails.newest_first()[0].recipients == ("jürgen@exämple.com",)


async def test_listing_has_mailpits_shape(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """GET /api/v1/messages returns the counts and the summaries, newest first, by `start` and `limit`."""
    await send(smtp, "first@example.com")
    await send(smtp)
    page = (await web.get("/api/v1/messages", params={"limit": 1})).json()
    (newest,) = page.pop("messages")

    assert page == {
        "total": 2, "unread": 2, "count": 1, "messages_count": 2, "messages_unread": 2, "start": 0,
        "tags": [], "received": 2,
    }  # fmt: skip
    assert newest.pop("ID")
    assert newest.pop("Created").endswith("Z")
    assert newest == {
        "MessageID": "id-1@example.com", "Read": False,
        "From": {"Name": "Tocsin", "Address": "no-reply@example.com"},
        "To": [{"Name": "Alice", "Address": "alice@example.com"}], "Cc": [], "Bcc": [],
        "ReplyTo": [{"Name": "", "Address": "help@example.com"}], "Subject": "Grüße",
        "Username": "", "Tags": [],
        "Size": len(RAW), "Attachments": 0, "Snippet": "Hello .dotted é",
    }  # fmt: skip
    older = (await web.get("/api/v1/messages", params={"start": 1})).json()
    assert [message["Bcc"] for message in older["messages"]] == [
        [{"Name": "", "Address": "first@example.com"}]
    ]


async def test_message_has_its_parts_and_counts_as_read(
    smtp: aiosmtplib.SMTP, web: httpx.AsyncClient
) -> None:
    """GET /api/v1/message/{ID} returns text, HTML, date and unsubscribe links, and marks the message as read."""
    await send(smtp)
    mail_id = (await web.get("/api/v1/messages")).json()["messages"][0]["ID"]
    mail = (await web.get(f"/api/v1/message/{mail_id}")).json()

    assert mail["Text"] == "Hello\n.dotted é"
    assert "<p>Hello</p>" in mail["HTML"]
    assert mail["Date"] == "2026-11-02T10:00:00+01:00"
    assert mail["ReturnPath"] == "bounce@example.com"
    assert (mail["Inline"], mail["Attachments"]) == ([], [])
    assert mail["ListUnsubscribe"] == {
        "Header": "<https://example.com/u>", "Links": ["https://example.com/u"], "Errors": "",
        "HeaderPost": "List-Unsubscribe=One-Click",
    }  # fmt: skip
    assert (await web.get("/api/v1/messages")).json()["unread"] == 0
    headers = (await web.get(f"/api/v1/message/{mail_id}/headers")).json()
    assert headers["Message-Id"] == ["<id-1@example.com>"]


async def test_delete_some_and_all(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient, catcher: Catcher) -> None:
    """DELETE deletes the listed ids, or all messages; a malformed body deletes none."""
    for _ in range(3):
        await send(smtp)
    victim = catcher.mails.newest_first()[0].id
    assert (await web.request("DELETE", "/api/v1/messages", json={"IDs": [victim]})).text == "ok"
    assert catcher.mails.get(victim) is None
    assert len(catcher.mails) == 2
    assert (await web.request("DELETE", "/api/v1/messages", content=b'{"IDs": 1}')).status_code == 400
    assert len(catcher.mails) == 2
    assert (await web.delete("/api/v1/messages")).status_code == 200
    assert len(catcher.mails) == 0
    assert catcher.mails.received == 3


async def test_search_and_errors(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """Search counts its matches; an empty query, wrong numbers and unknown ids are 4xx."""
    await send(smtp)
    page = (await web.get("/api/v1/search", params={"query": "to:alice subject:grüße"})).json()

    assert (page["messages_count"], page["total"]) == (1, 1)
    for path, status in {
        "/api/v1/search": 400, "/api/v1/messages?limit=x": 400, "/api/v1/messages?start=-1": 400,
        "/api/v1/message/none": 404, "/api/v1/message/none/raw": 404, "/mail/none": 404,
        "/livez": 200, "/readyz": 200,
    }.items():  # fmt: skip
        assert (path, (await web.get(path)).status_code) == (path, status)


@pytest.mark.parametrize(("name", "code", "text"), [("deferred", 451, "4.7.1"), ("bounced", 550, "5.1.1")])
async def test_simulator_refuses(
    smtp: aiosmtplib.SMTP, catcher: Catcher, name: str, code: int, text: str
) -> None:
    """RCPT for deferred@ and bounced@ is refused every time, and the connection stays usable."""
    for _ in range(2):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
            await send(smtp, f"{name}@simulator.test")
        assert caught.value.recipients[0].code == code
        assert caught.value.recipients[0].message.startswith(text)
    await send(smtp, "delivered@simulator.test")

    assert catcher.mails.received == 1


async def test_simulator_is_slow(smtp: aiosmtplib.SMTP) -> None:
    """The reply to end of data comes `slow_s` seconds later for slow@."""
    started = time.monotonic()
    await send(smtp, "slow@simulator.test")

    assert time.monotonic() - started >= SLOW_S


async def test_simulator_drops_after_end_of_data(catcher: Catcher, smtp: aiosmtplib.SMTP) -> None:
    """A message to dropped@ is kept, and the connection closes before the reply: ambiguous for the sender."""
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(smtp, "dropped@simulator.test")

    async with asyncio.timeout(30):
        while not catcher.mails.received:
            await asyncio.sleep(0.01)


async def test_hostile_message_is_only_text_on_the_pages(
    smtp: aiosmtplib.SMTP, web: httpx.AsyncClient
) -> None:
    """Markup in any header, part or file name is shown as text; only the page's own script may run."""
    await send(smtp, raw=EVIL_RAW)
    mail_id = (await web.get("/api/v1/messages")).json()["messages"][0]["ID"]
    paths = [
        "/",
        "/list",
        *(f"/mail/{mail_id}?view={view}" for view in ("html", "text", "headers", "raw", EVIL)),
    ]
    for path in [*paths, f"/?q={EVIL}", f"/?page={EVIL}"]:
        response = await web.get(path)
        elements = Elements(response.text)

        assert response.status_code == 200, path
        assert set(elements.scripts) <= {"/static/catcher.js"}, path
        assert set(elements.images) <= {"/static/bell.svg"}, path
        assert elements.handlers == [], path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_html_part_is_sandboxed(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """A message's HTML runs no script, loads nothing and has no origin, in the frame or opened alone."""
    await send(smtp, raw=EVIL_RAW)
    mail_id = (await web.get("/api/v1/messages")).json()["messages"][0]["ID"]
    (frame,) = Elements((await web.get(f"/mail/{mail_id}")).text).frames
    alone = await web.get(f"/mail/{mail_id}/html")
    policy = {
        rule.split()[0]: rule.split()[1:] for rule in alone.headers["content-security-policy"].split("; ")
    }

    assert frame["src"] == f"/mail/{mail_id}/html"
    assert frame["sandbox"] is not None
    assert not {"allow-scripts", "allow-same-origin", "allow-forms", "allow-top-navigation"} & {
        *frame["sandbox"].split(),
        *policy["sandbox"],
    }
    assert policy["default-src"] == ["'none'"]
    assert "script-src" not in policy
    assert policy["img-src"] == ["data:"]


async def test_html_part_keeps_its_doctype_first(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """Links open a new tab, by a base element that keeps the page out of quirks mode."""
    await send(smtp)
    html = (await web.get("/mail/latest/html")).text

    assert html.startswith("<!doctype html><html><head><base target=")


async def test_answers_only_to_loopback_names(web: httpx.AsyncClient) -> None:
    """A page of another site whose name resolves to loopback reads nothing (DNS rebinding)."""
    assert (await web.get("/api/v1/messages", headers={"Host": "evil.example"})).status_code == 400


async def test_list_is_sent_only_after_a_change(smtp: aiosmtplib.SMTP, web: httpx.AsyncClient) -> None:
    """The web view polls each second; an unchanged list costs a 304 without a body."""
    first = await web.get("/list")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await web.get("/list", headers=tag)).status_code == 304
    await send(smtp)

    changed = await web.get("/list", headers=tag)
    assert changed.status_code == 200
    assert "Grüße" in changed.text


async def test_stop_closes_ports_and_connections(smtp: aiosmtplib.SMTP, catcher: Catcher) -> None:
    """After stop() both ports are free and no client is connected; a second stop does nothing, a start works."""
    await catcher.stop()
    await catcher.stop()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.noop()
    await catcher.start()

    assert catcher.mails.received == 0


@pytest.mark.parametrize(("which", "setting"), [(0, "TOCSIN_DEV__SMTP_PORT"), (1, "TOCSIN_DEV__MAIL_PORT")])
async def test_taken_port_names_port_and_setting(which: int, setting: str) -> None:
    """The error for a taken port names the port and the setting that moves it; the other port stays free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [0, 0]
        ports[which] = taken.getsockname()[1]
        with pytest.raises(DevStackError, match=f"port {ports[which]} .*{setting}"):
            await Catcher(*ports).start()
