"""The settings of one relay, and the limits that every connection to it keeps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_LOOPBACK = ("127.", "::1", "localhost")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    return host.startswith(_LOOPBACK)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each step. From MAIL on they are those of RFC 5321 section 4.5.3.2.

    Before MAIL no message depends on this relay, and another one may be tried: the RFC's five minutes for the greeting
    are not waited for. `connect_s` is for the name and the TCP connection, `tls_s` for the handshake.
    """

    connect_s: float = 10.0
    greeting_s: float = 30.0
    mail_s: float = 300.0  # section 4.5.3.2.2
    rcpt_s: float = 300.0  # section 4.5.3.2.3
    data_s: float = 120.0  # section 4.5.3.2.4
    block_s: float = 180.0  # section 4.5.3.2.5
    final_s: float = 600.0  # section 4.5.3.2.6
    quit_s: float = 5.0
    tls_s: float = 30.0
    ehlo_s: float = 30.0
    auth_s: float = 30.0

    @property
    def shortest_reply_s(self) -> float:
        """Return the shortest time from MAIL on: deadlines are checked several times in it."""
        return min(self.mail_s, self.rcpt_s, self.data_s, self.block_s, self.final_s)


@dataclass(frozen=True, slots=True)
class Cooldowns:
    """Seconds for which a relay gets no mail; each cooldown in a row doubles, up to `max_s`, with jitter.

    `unavailable_s`: it cannot be reached. `busy_s`: it answered 421, or 4xx to a new connection. `fault_s`: it refuses
    us, and only an operator can help. `failures`: broken dialogues and failed connections in a row until it counts as
    unavailable, `silences`: those in which it did not answer in time, each of which has cost a whole timeout.
    """

    unavailable_s: float = 1.0
    busy_s: float = 5.0
    fault_s: float = 30.0
    max_s: float = 300.0
    failures: int = 5
    silences: int = 2


@dataclass(frozen=True, slots=True)
class Relay:
    """An SMTP server that we hand mail to. Ages and idle times in seconds; `rate` in messages per second.

    `domain_concurrency`: connections with messages to one destination domain; never more than four fifths of the
    connections, and a quarter once the domain was slow.
    `local_hostname`: the name in EHLO; empty for that of this host.
    """

    name: str
    host: str
    port: int = 25
    username: str = ""
    password: str = field(default="", repr=False)
    security: Literal["none", "starttls", "tls"] = "starttls"
    ca_file: Path | None = None
    verify: bool = True
    local_hostname: str = ""
    max_connections: int = 10
    max_mails_per_connection: int = 1000
    max_connection_age_s: float = 300.0
    idle_close_s: float = 30.0
    domain_concurrency: int = 20
    rate: float | None = None
    dsn: bool = False
    timeouts: Timeouts = Timeouts()
    cooldowns: Cooldowns = Cooldowns()

    def __post_init__(self) -> None:
        """Raise ValueError for settings that would send a password in the clear (RFC 4954 section 4)."""
        if self.username and self.security == "none" and not is_loopback(self.host):
            raise ValueError(f"relay {self.name}: a password needs security starttls or tls")
