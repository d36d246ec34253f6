"""Addresses, by their form alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.address import InvalidAddress, address_domain, check_address, mailbox
from service.model.ids import address_key
from service.model.operation import pseudonym


@pytest.mark.parametrize(
    "address", ["a@relay.test", "a@printer.local", "bounce@simulator.test", "ü@exämple.com"]
)
def test_reserved_domains_of_internal_relays_are_allowed(address: str) -> None:
    """Internal relays use them, and so do the simulator's addresses."""
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address", ["a@test", "a@localhost", "a@[127.0.0.1]", "a@x.invalid", "a@b@c.test", "a"]
)
def test_anything_but_one_whole_address_is_refused(address: str) -> None:
    """The error says why without repeating the address."""
    with pytest.raises(InvalidAddress) as refused:
        check_address(address)
    assert address not in str(refused.value).split()


@pytest.mark.parametrize(
    "address",
    [
        "x" * 65 + "@b.com",
        "é" * 33 + "@b.com",  # 66 octets
        "a@" + ".".join(["b" * 60] * 5),
        "a@b.com.",
    ],
)
def test_what_smtp_cannot_transmit_is_refused_where_it_enters(address: str) -> None:
    """Lengths count octets, as RFC 5321 section 4.5.3.1 does: a relay would refuse the address for ever."""
    assert address_domain(address) is None
    with pytest.raises(InvalidAddress):
        check_address(address)


@given(st.from_regex(r"[^\x00-\x1f]{1,70}@[^\x00-\x1f]{1,20}\.[a-zA-Z]{2,5}", fullmatch=True))
def test_what_may_enter_can_be_sent(address: str) -> None:
    """Every address that is accepted where it enters is one that the SMTP engine accepts."""
    try:
        check_address(address)
    except InvalidAddress:
        return
    assert address_domain(address) is not None


@pytest.mark.parametrize(
    "spellings",
    [
        (
            "alice@example.com",
            "Alice@EXAMPLE.com",
            " alice@example.com ",
            '"alice"@example.com',
            "alice@example.com.",
        ),
        ("a@bücher.de", "a@xn--bcher-kva.de", "A@BÜCHER.DE", "a@XN--BCHER-KVA.de", "a@bu\u0308cher.de"),
        ("a@b\uff0ecom", "a@b\u3002com", "a@\uff42.com", "a@b.com"),
        ("josé@example.com", "jose\u0301@example.com", "JOSÉ@example.com", "JOSE\u0301@example.com"),
        ('"a b"@c.com', '"A b"@c.com', '"a\\ b"@C.com'),
        ("a@[IPv6:::1]", "a@[ipv6:::1]"),
    ],
)
def test_one_mailbox_has_one_key_however_it_is_spelt(spellings: tuple[str, ...]) -> None:
    """Case, U-label and A-label, NFC and NFD, full-width dots and letters in the domain, quotes without need."""
    assert len({mailbox(address) for address in spellings}) == 1
    assert len({address_key(address) for address in spellings}) == 1
    assert len({pseudonym(address) for address in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@c.com", "ab@c.com"), ("a+x@c.com", "a@c.com"), ('"a b"@c.com', "ab@c.com"), ("a@b.com", "a@b.co"),
        ("strasse@c.com", "straße@c.com"), ("a@strasse.de", "a@straße.de"), ('"a\\"b"@c.com', '"ab"@c.com'),
    ],
)  # fmt: skip
def test_two_mailboxes_keep_two_keys(one: str, other: str) -> None:
    """Dots, tags and letters that only look alike make another mailbox: nothing is guessed."""
    assert mailbox(one) != mailbox(other)


@given(st.text(max_size=60))
def test_the_spelling_is_stable(text: str) -> None:
    """The spelling of a spelling is itself, for any text."""
    assert mailbox(mailbox(text)) == mailbox(text)
