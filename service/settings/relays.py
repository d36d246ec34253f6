"""Settings of the relays: connections, limits, timeouts. They are a part of `service.settings`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr


class TimeoutSettings(BaseModel):
    """Seconds to wait for a relay in each step; from `mail` on as RFC 5321 section 4.5.3.2 recommends.

    `connect`: the name and TCP. `block`: a part of a large body is taken. `final`: the reply to the end of data.
    """

    connect: float = Field(default=10.0, gt=0)
    tls: float = Field(default=30.0, gt=0)
    greeting: float = Field(default=30.0, gt=0)
    ehlo: float = Field(default=30.0, gt=0)
    auth: float = Field(default=30.0, gt=0)
    mail: float = Field(default=300.0, gt=0)
    rcpt: float = Field(default=300.0, gt=0)
    data: float = Field(default=120.0, gt=0)
    block: float = Field(default=180.0, gt=0)
    final: float = Field(default=600.0, gt=0)
    quit: float = Field(default=5.0, gt=0)


class RelaySettings(BaseModel):
    """Connection to one relay, and its limits; `rate` is in messages a second."""

    name: str = ""
    host: str = "127.0.0.1"
    port: int = 1025
    username: str = ""
    password: SecretStr = SecretStr("")
    security: Literal["none", "starttls", "tls"] = "none"
    ca_file: Path | None = None
    verify: bool = True
    max_connections: int = Field(default=10, ge=1)
    max_mails_per_connection: int = Field(default=1000, ge=1)
    rate: float | None = Field(default=None, gt=0)
    timeouts: TimeoutSettings = TimeoutSettings()


class SmtpSettings(RelaySettings):
    """The first relay, and in `fallbacks` the relays after it, in order of preference.

    Rates are in messages a second and hold for all workers together: `rate` for each relay, `domain_rates` by
    destination domain, `domain_rate` for the domains that `domain_rates` does not name.

    `local_hostname` is the name in EHLO; without it, the fully qualified name of this host. A fallback has the first
    relay's `timeouts`, except for those that it sets itself.
    """

    fallbacks: tuple[RelaySettings, ...] = ()
    local_hostname: str = ""
    domain_concurrency: int = Field(default=20, ge=1)
    domain_rate: float | None = Field(default=None, gt=0)
    domain_rates: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
