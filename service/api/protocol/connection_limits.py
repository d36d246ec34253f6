"""The limits of a connection, and the number of connections of each client address."""

import ipaddress
import resource
from collections import Counter
from dataclasses import dataclass
from typing import Self

from service.model.validators import networks_in
from service.settings import HttpSettings

MAX_BODY_BYTES = 1024 * 1024
_SPARE_FILES = 128  # for Redis, Kafka and files
_IPV6_PREFIX_BITS = 64  # the smallest network that one customer of a provider has


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one connection. `head` is the request line with the headers; times are in seconds."""

    target_bytes: int
    head_bytes: int
    headers: int
    chunks: int
    pipelined: int
    head_s: float
    body_s: float
    send_s: float

    @classmethod
    def of(cls, http: HttpSettings) -> Self:
        """Return the limits in these settings."""
        return cls(
            target_bytes=http.max_target_bytes,
            head_bytes=http.max_header_bytes,
            headers=http.max_headers,
            chunks=http.max_chunks,
            pipelined=http.max_pipelined,
            head_s=http.header_timeout,
            body_s=http.body_timeout,
            send_s=http.send_timeout,
        )


class ConnectionCounts:
    """The open connections of this process, in all and by client address.

    The connections of a trusted proxy belong to many clients and have no limit of their own.
    """

    def __init__(self, http: HttpSettings) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = max(1, min(http.max_connections, files - _SPARE_FILES))
        self._limit_per_address = http.max_connections_per_address
        self._proxies = networks_in(http.forwarded_allow_ips)
        self._open: Counter[str] = Counter()
        self._number = 0

    def add(self, address: str) -> bool:
        """Count a new connection; return False where it is one too many. It is counted until `remove` all the same."""
        name = network_of(address)
        self._open[name] += 1
        self._number += 1
        if self._number > self._limit:
            return False
        return (
            self._open[name] <= self._limit_per_address
            or not self._limit_per_address
            or self._is_proxy(address)
        )

    def remove(self, address: str) -> None:
        """Count a connection as closed."""
        name = network_of(address)
        self._open[name] -= 1
        self._number -= 1
        if not self._open[name]:
            del self._open[name]

    def _is_proxy(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._proxies)


def network_of(address: str) -> str:
    """Return what stands for one client: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), _IPV6_PREFIX_BITS), strict=False).network_address) + "/64"
