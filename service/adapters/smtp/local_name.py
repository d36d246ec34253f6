"""The name by which this host introduces itself in EHLO (RFC 5321 section 4.1.1.1)."""

import ipaddress
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
    return f"[{_address()}]"


def is_qualified(name: str) -> bool:
    """Return whether a server can take this for a host's name: with a dot, and neither loopback nor an address."""
    labels = name.lower().rstrip(".").split(".")
    if len(labels) < 2 or labels[-1] in ("localhost", "localdomain", "arpa") or not labels[-1].strip("-"):
        return False
    return not labels[-1].isdigit() and all(labels)


def _address() -> str:
    """Return the address that this host uses towards others; no packet is sent."""
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 25))
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        return f"IPv6:{address}" if ipaddress.ip_address(address).version == 6 else address
    return "127.0.0.1"
