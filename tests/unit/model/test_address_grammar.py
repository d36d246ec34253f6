"""Addresses: exactly one addr-spec, as RFC 5321 and RFC 6531 define it."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.smtp.envelope import is_valid_sender
from service.model.address import address_domain, ascii_address
from tests.support.paths import CORPORA

VALID = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}


def test_agrees_with_isemail() -> None:
    """Accept every address that isemail calls valid for SMTP, and a deprecated IPv6 form; refuse all others."""
    path = CORPORA / "isemail_tests.xml"
    if not path.is_file():
        pytest.skip("no isemail_tests.xml: set TOCSIN_CORPORA to the folder that holds it")
    wrong = []
    for test in ElementTree.parse(path).iter("test"):
        text = test.findtext("address") or ""
        address = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in text)
        accepted = address_domain(address) is not None
        deprecated = test.findtext("diagnosis") == "ISEMAIL_RFC5321_IPV6DEPRECATED"
        if accepted is not (test.findtext("category") in VALID or deprecated):
            wrong.append(address)
    assert wrong == []


@pytest.mark.parametrize("name", ["mailbox_valid.txt", "mailbox_invalid.txt"])
def test_agrees_with_flanker(name: str) -> None:
    """Accept Flanker's valid addresses except those with display names, comments or underscores in hosts."""
    path = CORPORA / name
    if not path.is_file():
        pytest.skip(f"no {name}: set TOCSIN_CORPORA to the folder that holds it")
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    valid = name == "mailbox_valid.txt"
    wrong = [line for line in lines if (address_domain(line) is not None) is not valid]
    if valid:
        assert all("(" in line or "<" in line or "_" in line for line in wrong)
    else:
        assert wrong == ["test@xn--example.com"]


@pytest.mark.parametrize("address", [
    "a@b.com\r\nDATA", "a@b.com\n", "a@b.com ", " a@b.com", "a@b.com>", "<a@b.com>", "a@b.com,c@d.com", "a@b@c.com",
    '"a\r\n"@b.com', "a\x00@b.com", "a@b\u2028.com", "a\u200b@b.com", "a\u00a0b@c.com", "a@b..com", ".a@b.com", "a@",
    "@b.com", "", "a", "a@-b.com", "a@[1.2.3]", "a@[IPv6:::1%x]", "x" * 65 + "@b.com", "a@" + "b" * 64 + ".com",
    "a@" + ".".join(["b" * 60] * 5), "a@b.com\x7f", "a\ud800@b.com", "a@b_c.com", "a\x85@b.com",
], ids=repr)  # fmt: skip
def test_refused(address: str) -> None:
    """Refuse anything that is not exactly one address."""
    assert address_domain(address) is None
    assert not address or not is_valid_sender(address)


@pytest.mark.parametrize(("address", "domain"), [
    ("a@B.Example.COM", "b.example.com"), ('"a b"@c.com', "c.com"), ('"a\\"b"@c.com', "c.com"),
    ("a@[127.0.0.1]", "[127.0.0.1]"),
    ("a@[IPv6:::1]", "[ipv6:::1]"), ("o'brien+tag@x-y.co", "x-y.co"), ("ü@b.com", "b.com"),
    ("a@bücher.de", "xn--bcher-kva.de"),
    ("a@xn--bcher-kva.de", "xn--bcher-kva.de"), ("x" * 64 + "@b.com", "b.com"),
])  # fmt: skip
def test_accepted(address: str, domain: str) -> None:
    """Accept quoted, literal and international addresses."""
    assert address_domain(address) == domain
    assert is_valid_sender(address)


@given(st.text(max_size=40))
def test_an_accepted_address_cannot_leave_its_brackets(text: str) -> None:
    """Accept no text with a control, a line end, or an angle bracket outside quotes."""
    for address in (text, f"{text}@example.com", f"a@{text}", f'"{text}"@example.com'):
        if address_domain(address) is not None:
            assert address.isprintable()
            assert not set("<>") & set(address) or address.startswith('"')


def test_ascii_form() -> None:
    """Convert the domain only; never change the local part."""
    assert ascii_address("a@bücher.de") == "a@xn--bcher-kva.de"
    assert ascii_address("A.b@c.de") == "A.b@c.de"
    assert ascii_address("ü@b.de") is None


def test_the_null_sender_is_valid() -> None:
    """Allow an empty reverse-path (RFC 5321 section 4.5.5), but no empty recipient."""
    assert is_valid_sender("")
    assert address_domain("") is None
