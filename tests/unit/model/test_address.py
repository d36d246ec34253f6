"""Addresses, by their form alone."""

import pytest

from service.model.address import InvalidAddress, check_address


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
