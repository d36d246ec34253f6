"""Where a reply of a cluster sends a command."""

import pytest
from redis.exceptions import AskError, MovedError

from service.adapters.redis.connect.cluster import _address_of, _target

SERVER = ("10.0.0.1", 6379)


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("10.0.0.2:6380", ("10.0.0.2", 6380)),
        ("redis-2.redis.svc:6380", ("redis-2.redis.svc", 6380)),
        ("2001:db8::1:6380", ("2001:db8::1", 6380)),
        (":6380", ("10.0.0.1", 6380)),
        ("?:6380", ("10.0.0.1", 6380)),
    ],
)
@pytest.mark.parametrize("error", [MovedError, AskError])
def test_a_host_that_is_not_named_is_that_of_the_server_which_replied(
    error: type[AskError], target: str, address: tuple[str, int]
) -> None:
    """`cluster-preferred-endpoint-type` may leave it out, or `?` where no host name is set."""
    assert _target(error(f"3999 {target}"), SERVER) == address


@pytest.mark.parametrize("host", [None, b"", b"?"])
def test_a_slot_table_without_hosts_leads_to_the_server_which_replied(host: bytes | None) -> None:
    """The same in a reply of CLUSTER SLOTS."""
    assert _address_of([host, 6380, b"id"], SERVER) == ("10.0.0.1", 6380)
