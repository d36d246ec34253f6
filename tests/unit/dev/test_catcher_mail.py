"""A caught message can be read, listed and shown whatever it contains, and bounded memory keeps the newest."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dev.catcher import CaughtMail, MailStore
from service.dev.catcher.mailpit import headers, listing, message, summary
from service.dev.catcher.pages import VIEWS, mail_list, mail_page
from service.dev.catcher.search import search
from tests.support.cost_growth import cpu_s

HOSTILE_CHARSETS = [
    "utf-7",
    "utf-16",
    "raw-unicode-escape",
    "idna",
    "rot13",
    "no-such-charset",
    "utf-8\x00",
    "",
]


def caught(raw: bytes, to: str = "alice@example.com") -> CaughtMail:
    return CaughtMail("no-reply@example.com", (to,), raw)


def show_everywhere(mail: CaughtMail) -> None:
    store = MailStore()
    store.add(mail)
    for document in (summary(mail), message(mail), headers(mail), listing(store, [mail], 0, 50)):
        json.dumps(document, ensure_ascii=False).encode()
    for view in VIEWS:
        mail_page(mail, view).encode()
    mail_list(store, search([mail], "to:a x"), "", 1, 25).encode()


PIECES = [
    b"Subject: ", b"From: ", b"To: <", b"Date: ", b"=?utf-7?B?", b"?=", b"\r\n", b"\r\n\r\n", b"<>", b"\x00",
    b"\xff\xfe", b"Content-Type: text/html; charset=", b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"--b\r\n", b"--b--", b"Content-Disposition: attachment; filename*=", b"utf-16''%D8%00",
    b"Content-Transfer-Encoding: base64\r\n",
]  # fmt: skip


@pytest.mark.exhaustive
@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=25).map(b"".join))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    """No bytes make the catcher fail or respond with invalid UTF-8."""
    show_everywhere(caught(raw))


@pytest.mark.parametrize("charset", HOSTILE_CHARSETS)
def test_any_charset_can_be_shown(charset: str) -> None:
    """A charset that decodes to surrogates, or does not exist, breaks neither header, body nor file name."""
    raw = f"Subject: =?{charset}?Q?+2AA-\\ud800?=\r\nContent-Type: text/plain; charset={charset}\r\n".encode()
    raw += f"Content-Disposition: inline; filename*={charset}''%D8%00\r\n\r\n+2AA- \\ud800".encode()
    show_everywhere(caught(raw))


HTML = b"Content-Type: text/html\r\n\r\n"
NESTED = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(4000)
)


@pytest.mark.parametrize(
    "raw",
    [
        NESTED,
        b"Content-Type: message/rfc822\r\n\r\n" * 8000,
        b"To: " + b"(" * 250_000 + b"\r\n\r\n",
        b"To: " + b"a:" * 125_000 + b"\r\n\r\n",
        HTML + b"<" * 250_000,
        HTML + b"<style" * 40_000,
        HTML + b"<script>" * 30_000,
        HTML + b"<title></style>" * 15_000,
    ],
    ids=["parts", "messages", "comments", "groups", "angles", "styles", "scripts", "titles"],
)
def test_a_message_that_is_made_to_be_expensive_can_be_shown(raw: bytes) -> None:
    """Nesting without end is no error, and 256 KiB of it do not keep the view busy: the list shows every message."""
    assert cpu_s(lambda: show_everywhere(caught(raw)), 1) < 3


def test_the_snippet_of_html_is_what_it_shows() -> None:
    """Without tags, styles and scripts, on one line; the words between tags stay apart."""
    html = b"<STYLE>p < a {}</style ><script>if (a<b) '</div>'</script><p>One<br>two\n three &lt;</p><4 five"
    assert caught(HTML + html).snippet == "One two three &lt; <4 five"


def test_encoded_words_and_raw_utf8_are_read() -> None:
    """Headers by RFC 2047 and by RFC 6532 are decoded to text, folded ones in one line."""
    raw = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nSubject: Größe\r\n\tund Preis\r\n\r\n".encode()
    mail = caught(raw)

    assert mail.subject == "Größe\tund Preis"
    assert [(address.name, address.address) for address in mail.addresses("From")] == [
        ("Jürgen", "j@example.com")
    ]


def test_an_encoded_address_list_gains_no_address() -> None:
    """A comma in an encoded display name does not make a second address."""
    mail = caught(b"From: =?utf-8?q?a=2C_b=40c?= <real@example.com>\r\n\r\n")

    assert [address.address for address in mail.addresses("From")] == ["real@example.com"]


def test_envelope_recipients_without_header_are_hidden_recipients() -> None:
    """A recipient of the envelope that no header names is shown as Bcc, as in Mailpit."""
    mail = CaughtMail(
        "a@example.com", ("seen@example.com", "hidden@example.com"), b"To: Seen <SEEN@example.com>\r\n\r\n"
    )

    assert [address.address for address in mail.hidden_recipients] == ["hidden@example.com"]


def test_the_oldest_messages_are_dropped_but_counted() -> None:
    """A full store keeps the newest messages and counts all that were received."""
    store = MailStore(keep=2)
    for number in (b"1", b"2", b"3"):
        store.add(caught(b"Subject: " + number + b"\r\n\r\n"))

    assert [mail.subject for mail in store.newest_first()] == ["3", "2"]
    assert (len(store), store.received) == (2, 3)


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("to:alice", ["Overbid on lot 12"]),
        ("subject:INVOICE", ["Invoice 7"]),
        ('subject:"on lot"', ["Overbid on lot 12"]),
        ("from:no-reply", ["Invoice 7", "Overbid on lot 12"]),
        ("to:alice subject:invoice", []),
        ("lot", ["Overbid on lot 12"]),
        ('"unclosed', []),
        ("a\\", []),
    ],
)
def test_search(query: str, subjects: list[str]) -> None:
    """Terms ignore case and must all match; an unclosed quotation mark or a backslash is plain text."""
    mails = [
        caught(b"Subject: Invoice 7\r\n\r\n", "bob@example.com"),
        caught(b"Subject: Overbid on lot 12\r\n\r\n", "alice@example.com"),
    ]

    assert [mail.subject for mail in search(mails, query)] == subjects
