"""Envelope senders that carry their delivery."""

import pytest

from service.model.ids import address_key, delivery_id, event_key
from service.model.signatures.verp import Verp
from tests.unit.pipeline.tables.test_unsubscribe_tokens import delivery

OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"
EVENT = event_key("/t", "1")
DELIVERY = delivery(id=delivery_id(EVENT, "alice", "email"), event=EVENT)


def test_a_sender_carries_its_delivery_and_no_address() -> None:
    """A sender can be read back, in any case of letters, fits RFC 5321, and holds no address."""
    verp = Verp([NEW], "Bounces.tocsin.test")
    sender = verp.address(DELIVERY)

    local, _, domain = sender.partition("@")
    assert domain == "bounces.tocsin.test"
    assert len(local) <= 64
    assert "alice" not in sender
    for text in (sender, sender.upper(), f"<{sender}>"):
        origin = verp.read(text)
        assert origin
        assert (origin.delivery, origin.event) == (DELIVERY.id, EVENT)
        assert origin.sent_to("Alice@example.com")
        assert not origin.sent_to("bob@example.com")
        assert address_key("alice@example.com").startswith(origin.hint)


@pytest.mark.parametrize("domain", ["Bücher.test", "xn--bcher-kva.test", "bu\u0308cher.test"])
def test_the_domain_is_ours_however_it_is_spelt(domain: str) -> None:
    """Messages leave with A-labels, so bounces come back to them, whatever the settings say."""
    verp = Verp([NEW], domain)
    local = verp.address(DELIVERY).partition("@")[0]

    assert verp.domain == "xn--bcher-kva.test"
    for spelt in ("xn--bcher-kva.test", "XN--BCHER-KVA.TEST", "bücher.test", "BÜCHER。test", "bücher.test."):
        assert verp.read(f"{local}@{spelt}"), spelt
    assert not verp.in_domain("postmaster@bucher.test")


def test_secrets_can_be_replaced() -> None:
    """The first signs, all verify."""
    before = Verp([OLD], "b.test").address(DELIVERY)

    assert Verp([NEW, OLD], "b.test").read(before)
    assert Verp([NEW], "b.test").read(before) is None
    assert Verp([NEW, OLD], "b.test").address(DELIVERY) == Verp([NEW], "b.test").address(DELIVERY)


def test_a_sender_that_was_changed_is_not_trusted() -> None:
    """No character but the last one's spare bits may differ."""
    verp = Verp([NEW], "b.test")
    sender = verp.address(DELIVERY)
    at = sender.index("@")

    for n in range(2, at - 1):
        other = "a" if sender[n] != "a" else "b"
        assert verp.read(sender[:n] + other + sender[n + 1 :]) is None


@pytest.mark.parametrize(
    "around",
    [
        "prvs=1234abcdef={}",  # BATV
        "prvs={}=1234abcdef",
        "bounces+{}",
        "{}+tag",
        "SRS0=HHHH=TT=b.test={}",
        "SRS1=HHHH=fwd.test==HHHH=TT=b.test={}",
        "srs0+hhhh=tt=b.test={}",
    ],
)
def test_a_sender_is_valid_inside_what_other_servers_make_of_it(around: str) -> None:
    """SRS, BATV and subaddresses keep the local part, perhaps in other letters; any domain proves a quoted one."""
    verp = Verp([NEW], "b.test")
    local = verp.address(DELIVERY).partition("@")[0]
    changed = around.format(local)

    for text in (changed, changed.upper()):
        origin = verp.read(f"{text}@b.test")
        assert origin
        assert origin.delivery == DELIVERY.id
        assert verp.read(f"{text}@forwarder.test") is None
        assert verp.find(f"Return-Path: <{text}@forwarder.test>") == origin


def test_text_around_the_local_part_is_no_part_of_it() -> None:
    """One more letter of the alphabet makes it another word."""
    verp = Verp([NEW], "b.test")
    local = verp.address(DELIVERY).partition("@")[0]

    assert verp.find(f"x{local}") is None
    assert verp.find(f"{local}a") is None
    assert len(local) <= 64


@pytest.mark.parametrize(
    "address",
    ["", "@", "x", "b-@b.test", f"b-{'a' * 61}@b.test", f"b-{'ä' * 61}@b.test", f"b-{'1' * 61}@b.test"],
)
def test_other_addresses_are_none(address: str) -> None:
    """Any text gives None and no error."""
    assert Verp([NEW], "b.test").read(address) is None
