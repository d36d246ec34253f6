"""The token that the API reference fills in, in dev mode."""

import time

import jwt

from service.model.access import SCOPES
from service.settings import DEV_SECRET, Settings

_RECIPIENT = "alice"
_LIFETIME_S = 8 * 3600


def dev_token(settings: Settings) -> str:
    """Return a token of a seeded recipient with every scope; empty outside dev mode, or with a secret of one's own.

    It is signed with the secret of `tocsin dev`, which is public: showing it discloses nothing.
    """
    auth = settings.auth
    if settings.mode != "dev" or auth.secret.get_secret_value() != DEV_SECRET:
        return ""
    if "HS256" not in auth.accepted_algorithms:
        return ""
    claims = {
        "sub": _RECIPIENT,
        "aud": auth.audience,
        "exp": int(time.time()) + _LIFETIME_S,
        "scope": " ".join(SCOPES),
    }
    return jwt.encode(claims, DEV_SECRET, "HS256")
