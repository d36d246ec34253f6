"""Unsubscribes: what a recipient has ended by the link in a mail. They stand above preferences and name nobody."""

from hashlib import blake2b

from pydantic import BaseModel, ConfigDict, Field

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.recipient import Choice


class Unsubscribe(BaseModel):
    """One recipient will not be mailed one type. `id` is its `unsubscribe_key`; `version` since when (ms)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[0-9a-f]{24}$")
    type: str = Field(max_length=64)
    by: str = Field(default="", max_length=64)
    version: int = Field(default=0, ge=0, le=2**53)

    def choice(self) -> Choice:
        """As the rules of precedence take it."""
        return Choice(on=False, since_ms=self.version, by=self.by)

    def key(self) -> str:
        """The key that its record must have."""
        return self.id

    def row(self) -> "Unsubscribe":
        """The row itself."""
        return self


def unsubscribe_key(account: str, recipient: str, type_name: str) -> str:
    """24 hex digits for a recipient, or for a contact of an account, and a type. Nobody can be read from it."""
    return blake2b(f"{account}\0{recipient}\0{type_name}".encode(), digest_size=12).hexdigest()


def key_of(delivery: Delivery) -> str:
    """The unsubscribe that would stop this delivery. A contact is one of its account; all others are known by id."""
    account = delivery.matched if delivery.rule is AudienceRule.account else ""
    return unsubscribe_key(account, delivery.recipient, delivery.type)
