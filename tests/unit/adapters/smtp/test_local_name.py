"""The name in EHLO: qualified, or an address literal, never a name that servers refuse."""

import socket

import pytest

from service.adapters.smtp import local_name as module
from service.adapters.smtp.local_name import addresses_of, is_qualified, local_name
from service.cli.checks import Status
from service.cli.checks.smtp import check_local_name
from service.settings import Settings, SmtpSettings


@pytest.fixture(autouse=True)
def _forget() -> None:
    local_name.cache_clear()


@pytest.mark.parametrize("name", ["mail.shop.test", "a.b", "mx1.xn--bcher-kva.example."])
def test_qualified(name: str) -> None:
    """A name with a dot is one that a server can look up."""
    assert is_qualified(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "worker-7",
        "localhost.localdomain",
        "10.0.0.1",
        "a..b",
        "app.localhost",
        "1.0.0.127.in-addr.arpa",
    ],
)
def test_not_qualified(name: str) -> None:
    """Servers refuse names without a domain, of loopback, and bare addresses."""
    assert not is_qualified(name)


def test_a_host_without_a_name_gives_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5321 section 4.1.4: an address literal, in brackets."""
    monkeypatch.setattr(socket, "getfqdn", lambda: "worker-7")
    assert local_name().startswith("[")
    assert local_name().endswith("]")
    local_name.cache_clear()
    monkeypatch.setattr(socket, "getfqdn", lambda: "mail.shop.test.")
    assert local_name() == "mail.shop.test"
    local_name.cache_clear()
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost")
    monkeypatch.setattr(module, "own_address", lambda: "2001:db8::7")
    assert local_name() == "[IPv6:2001:db8::7]"


def test_a_name_that_does_not_resolve() -> None:
    """Names under .invalid never do (RFC 2606)."""
    assert addresses_of("mail.shop.invalid") == frozenset()


@pytest.mark.parametrize(
    ("name", "addresses", "status"),
    [
        ("localhost", ["192.0.2.7"], Status.fail),
        ("mail.shop.test", [], Status.warn),
        ("mail.shop.test", ["192.0.2.8"], Status.warn),
        ("mail.shop.test", ["192.0.2.8", "192.0.2.7"], Status.ok),
        ("[192.0.2.7]", [], Status.warn),
    ],
)
async def test_doctor_checks_it_as_a_relay_does(
    monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str], status: Status
) -> None:
    """A name that is refused for sure fails; one that is refused by some, or does not match, is a warning."""
    monkeypatch.setattr(module, "own_address", lambda: "192.0.2.7")
    monkeypatch.setattr(module, "addresses_of", lambda _: frozenset(addresses))
    (finding,) = await check_local_name(
        Settings(smtp=SmtpSettings(host="relay.shop.test", local_hostname=name))
    )

    assert finding.status is status
    assert status is Status.ok or "TOCSIN_SMTP__LOCAL_HOSTNAME" in finding.remedy
