"""Hands mail to SMTP relays: one round trip a mail where the relay allows it, and a result for every mail."""

from service.adapters.smtp.health import RelayHealth, RelayState
from service.adapters.smtp.rate import SteadyRate
from service.adapters.smtp.relay import Cooldowns, Relay, Timeouts
from service.adapters.smtp.transport import SmtpTransport

__all__ = [
    "Cooldowns",
    "Relay",
    "RelayHealth",
    "RelayState",
    "SmtpTransport",
    "SteadyRate",
    "Timeouts",
]
