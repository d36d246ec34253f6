"""Settings of the API's rate limits. They are a part of `service.settings`."""

from pydantic import BaseModel, Field, field_validator

from service.model.rate_limit import parse_rate_limit


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
        if isinstance(value, str) and value:
            parse_rate_limit(value)
        return value
