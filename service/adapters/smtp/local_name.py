"""The name by which this host introduces itself in EHLO (RFC 5321 section 4.1.1.1)."""

import socket
from functools import cache


@cache
def local_name() -> str:
    """Return the fully qualified name of this host; where it has none, an address literal (section 4.1.4).

    Never `localhost`: many servers refuse it. The name is looked up once, when the first relay is set up.
    """
    name = socket.getfqdn().rstrip(".")
    if is_qualified(name):
        return name
    address = own_address()
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def is_qualified(name: str) -> bool:
    """Return whether a server can take this for a host's name: with a dot, and neither loopback nor an address."""
    labels = name.lower().rstrip(".").split(".")
    if len(labels) < 2 or labels[-1] in ("localhost", "localdomain", "arpa") or not labels[-1].strip("-"):
        return False
    return not labels[-1].isdigit() and all(labels)


def addresses_of(name: str) -> frozenset[str]:
    """Return the addresses of a name; none when it does not resolve."""
    try:
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(name, 25, type=socket.SOCK_STREAM))
    except OSError:
        return frozenset()


def own_address() -> str:
    """Return the address that this host uses towards others; no packet is sent."""
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 25))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"
