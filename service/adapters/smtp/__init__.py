"""Hands mail to SMTP relays: one round trip a mail where the relay allows it, and a result for every mail."""

from service.adapters.smtp.health import RelayHealth, RelayState
from service.adapters.smtp.rate import RateLimit, SteadyRate
from service.adapters.smtp.relay import Relay, Rests, Timeouts
from service.adapters.smtp.transport import SmtpTransport

__all__ = [
    "RateLimit",
    "Relay",
    "RelayHealth",
    "RelayState",
    "Rests",
    "SmtpTransport",
    "SteadyRate",
    "Timeouts",
]
