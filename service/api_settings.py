"""Settings of the API: verification of tokens, rate limits. They are a part of `service.settings`."""

import re
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

RATE = re.compile(
    r"[1-9]\d{0,8} ?(?:/|per) ?[1-9]?\d{0,4} ?(?:second|minute|hour|day|month|year)s?", re.ASCII
)
"""A rate limit, as the `limits` library reads it."""


class AuthSettings(BaseModel):
    """Verification of bearer tokens. `skew` and `jwks_stale` are in seconds.

    `jwks_stale`: how long the issuer's keys stay in use while they cannot be fetched again. `token_secrets` sign the
    short-lived inbox tokens that the API gives out: the first signs, all verify; without any, `secret` does.
    """

    secret: SecretStr = SecretStr("")
    token_secrets: tuple[SecretStr, ...] = ()
    jwks_url: str = ""
    algorithms: tuple[Literal["HS256", "RS256", "ES256"], ...] = ()
    audience: str = "tocsin"
    skew: int = 60
    jwks_stale: float = Field(default=3600.0, ge=0)

    @property
    def inbox_token_secrets(self) -> tuple[str, ...]:
        """Return the secrets of inbox tokens, newest first; none where the API cannot give any out."""
        secrets = tuple(secret.get_secret_value() for secret in self.token_secrets or (self.secret,))
        return tuple(secret for secret in secrets if secret)

    @property
    def accepted_algorithms(self) -> tuple[str, ...]:
        """Return the algorithms that have a key: HS256 with a secret, RS256 and ES256 with a JWKS URL.

        `algorithms` leaves out those that it does not name, if it names any.
        """
        having_key = (("HS256",) if self.secret.get_secret_value() else ()) + (
            ("RS256", "ES256") if self.jwks_url else ()
        )
        return tuple(name for name in having_key if name in (self.algorithms or having_key))


class LimitSettings(BaseModel):
    """Rate limits of the API for each caller, as `600/minute`; empty means no limit. All API processes share them.

    The last three limit password verifications, which are slow by design: `passwords` those from one client address,
    `passwords_per_account` those for one account from all addresses, `passwords_per_account_and_address` for one
    account from one address. `contacts` is the largest number of contacts of an account; `new_contacts` limits how many
    it creates.
    """

    inbox: str = "1200/minute"
    tokens: str = "6000/minute"
    tables: str = "1200/minute"
    account: str = "1200/minute"
    events: str = "12000/minute"
    operate: str = "1200/minute"
    contacts: int = Field(default=10_000, ge=1)
    new_contacts: str = "20000/day"
    passwords: str = "30/minute"
    passwords_per_account: str = "300/hour"
    passwords_per_account_and_address: str = "10/minute"

    @field_validator("*", mode="after")
    @classmethod
    def _is_rate(cls, value: str | int) -> str | int:
        if isinstance(value, str) and value and not RATE.fullmatch(value):
            raise ValueError("must be a rate such as 600/minute, or empty")
        return value
