"""Unsubscribes: a recipient's request, by the link in a message, not to be mailed for a type.

They have precedence over preferences and contain no name or address.
"""

from hashlib import blake2b

from pydantic import BaseModel, ConfigDict, Field

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.recipient import Choice
from service.model.validators import MAX_VERSION


class Unsubscribe(BaseModel):
    """A recipient is not mailed for one type. `id` is its `unsubscribe_key`, `version` the time it began (ms)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[0-9a-f]{24}$")
    type: str = Field(max_length=64)
    by: str = Field(default="", max_length=64)
    version: int = Field(default=0, ge=0, le=MAX_VERSION)

    def choice(self) -> Choice:
        """Return the unsubscribe as the choice that the precedence rules take."""
        return Choice(on=False, since_ms=self.version, by=self.by)

    def key(self) -> str:
        """Return the key that the record of this row must have."""
        return self.id

    def row(self) -> "Unsubscribe":
        """Return the record itself: Redis stores it without conversion."""
        return self


def unsubscribe_key(account: str, recipient: str, type_name: str) -> str:
    """Return 24 hex digits for a recipient, or a contact of an account, and a type; one cannot be read back."""
    return blake2b(f"{account}\0{recipient}\0{type_name}".encode(), digest_size=12).hexdigest()


def unsubscribe_key_of(delivery: Delivery) -> str:
    """Return the key of the unsubscribe that would block a delivery.

    A contact unsubscribes within its account; every other recipient is known by its id alone.
    """
    return unsubscribe_key(unsubscribe_account(delivery), delivery.recipient, delivery.type)


def unsubscribe_account(delivery: Delivery) -> str:
    """Return the account within which the recipient of a delivery unsubscribes; empty for none."""
    return delivery.matched if delivery.rule is AudienceRule.account else ""
