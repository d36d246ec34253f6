"""The handshake by which an upstream asks whether it may deliver events here (CloudEvents HTTP webhooks 1.0.2, 4).

It protects others from floods that name them as a target. A client that may deliver needs a credential all the same.
"""

import re
from collections.abc import Sequence

from service.settings.limits import parse_rate_limit

EVENTS_PATH = "/v1/events"
_ORIGIN = re.compile(rb"[\w.*:/\[\]-]{1,255}", re.ASCII)
_MINUTE_S = 60


def webhook_permission(headers: Sequence[tuple[bytes, bytes]], limit: str) -> dict[str, str]:
    """Return the headers that permit delivery from the origin that asks, at the rate of `limit` (`12000/minute`).

    Empty when the request does not ask (section 4.1), or names no origin that is one.
    """
    origins = [value for name, value in headers if name == b"webhook-request-origin"]
    if len(origins) != 1 or not _ORIGIN.fullmatch(origins[0]):
        return {}
    return {"WebHook-Allowed-Origin": origins[0].decode("ascii"), "WebHook-Allowed-Rate": per_minute(limit)}


def per_minute(limit: str) -> str:
    """Return the requests a minute that a limit allows, at least 1; `*` for no limit."""
    if not limit:
        return "*"
    rate = parse_rate_limit(limit)
    return str(max(1, rate.amount * _MINUTE_S // rate.window_s))
