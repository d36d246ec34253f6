"""The settings of one relay, and the limits that every connection to it keeps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for each step: RFC 5321 section 4.5.3.2; `connect` is the TCP connection alone."""

    connect: float = 30.0
    greeting: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    quit: float = 5.0


@dataclass(frozen=True, slots=True)
class Cooldowns:
    """Seconds that a relay is left alone; each doubles while it stays away, up to `longest`, with jitter.

    `away`: it does not answer. `busy`: it said 421 or 4xx to our coming. `fault`: it refuses us, and only an
    operator can help. `failures`: how many dialogues in a row may fail before it counts as away.
    """

    away: float = 1.0
    busy: float = 5.0
    fault: float = 30.0
    longest: float = 300.0
    failures: int = 5


@dataclass(frozen=True, slots=True)
class Relay:
    """An SMTP server that we hand mail to. Ages and idle times in seconds; `rate` in mails a second.

    `domain_concurrency`: mails on their way to one destination domain; never more than four fifths of the
    connections, and a quarter once the domain has shown itself slow.
    """

    name: str
    host: str
    port: int = 25
    username: str = ""
    password: str = field(default="", repr=False)
    security: Literal["none", "starttls", "tls"] = "starttls"
    ca_file: Path | None = None
    verify: bool = True
    local_hostname: str = "localhost"
    max_connections: int = 10
    max_mails_per_connection: int = 1000
    max_connection_age_s: float = 300.0
    idle_close_s: float = 30.0
    domain_concurrency: int = 20
    rate: float | None = None
    dsn: bool = False
    timeouts: Timeouts = Timeouts()
    rests: Cooldowns = Cooldowns()

    def __post_init__(self) -> None:
        """Refuse settings that would send a password in the clear."""
        if self.username and self.security == "none" and not self.host.startswith(_LOOPBACK):
            raise ValueError(f"relay {self.name}: a password needs security starttls or tls")
