"""Schemas of the rows on `tables.*` topics: each accepts what the API accepts, field for field.

Names of notification types are not checked: a row may name a type that the catalogue no longer has, and a rebuild must
still accept it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Protocol, cast

from pydantic import AfterValidator, FailFast, Field, StringConstraints, ValidationError, field_validator

from service.model.access import Account, ApiKey
from service.model.address import check_address
from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.channels import CHANNELS, Channel
from service.model.holds.calendar import Frequency
from service.model.ids import address_key
from service.model.keys import ContactKey, GroupKey
from service.model.recipient import Choice, Contact, Group, Recipient
from service.model.validators import (
    MAX_TIME_MS,
    MAX_VERSION,
    MIN_TIME_MS,
    ROLE,
    check_id,
    check_language_tag,
    check_line,
    check_time_zone,
    check_user_id,
)

_MAX_ADDRESSES = 1000
_AT_ONCE = (None, Frequency.instant)
_PREFERENCE = re.compile(rf"[a-z][a-z0-9_]{{0,63}}:(?:{'|'.join(Channel)})")

Row = Recipient | Group | Contact | Account | ApiKey | Suppression | Unsubscribe
_Id = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_id)]
_Account = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_user_id)]
_Version = Annotated[int, Field(ge=0, le=MAX_VERSION)]
_Address = Annotated[str, Field(max_length=254), AfterValidator(check_address)]
_Line = Annotated[str, Field(max_length=256), AfterValidator(check_line)]
_Locale = Annotated[str, Field(max_length=64), AfterValidator(check_language_tag)]
_Zone = Annotated[str, Field(max_length=64), AfterValidator(check_time_zone)]
_Role = Annotated[str, StringConstraints(pattern=ROLE)]


class RowRefused(ValueError):
    """The error of a row that its topic's reader would refuse."""


class ValidatedRow(Protocol):
    """A row that satisfies its table's schema."""

    version: int

    def key(self) -> str:
        """Return the key that its record must have."""
        ...

    def row(self) -> Row:
        """Return the row as the model that is stored."""
        ...


def _check_keys(choices: Mapping[str, Choice]) -> Mapping[str, Choice]:
    if not all(_PREFERENCE.fullmatch(key) for key in choices):
        raise ValueError("Must have keys such as overbid:email.")
    if not all(MIN_TIME_MS <= choice.since_ms <= MAX_TIME_MS for choice in choices.values()):
        raise ValueError("since_ms must be a time in milliseconds.")
    if any(choice.frequency not in _AT_ONCE and not _is_digested(key) for key, choice in choices.items()):
        raise ValueError("Only email can have a frequency other than instant.")
    return choices


def _is_digested(preference: str) -> bool:
    return CHANNELS[Channel(preference.rpartition(":")[2])].digested


_Preferences = Annotated[Mapping[str, Choice], AfterValidator(_check_keys)]


class RecipientRow(Recipient):
    """A row of `tables.recipients`."""

    id: _Id
    address: Annotated[str, Field(max_length=254)] = ""
    name: _Line = ""
    locale: _Locale = "en"
    timezone: _Zone = "UTC"
    roles: Annotated[tuple[_Role, ...], Field(max_length=64)] = ()
    preferences: _Preferences = Field(default_factory=dict)
    version: _Version = 0

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        return check_address(address) if address else ""

    def key(self) -> str:
        """Return the recipient id."""
        return self.id

    def row(self) -> Recipient:
        """Return the row as a plain Recipient."""
        return Recipient(**dict(self))


class ContactRow(Contact):
    """A row of `tables.contacts`."""

    uuid: Annotated[str, Field(pattern=r"^[^|]{1,128}$"), AfterValidator(check_id)]
    account: _Account
    email: _Address
    name: _Line = ""
    phone: Annotated[str, Field(max_length=64), AfterValidator(check_line)] = ""
    locale: _Locale = "en"
    timezone: _Zone = "UTC"
    preferences: _Preferences = Field(default_factory=dict)
    version: _Version = 0

    def key(self) -> str:
        """Return `account|uuid`."""
        return str(ContactKey(self.account, self.uuid))

    def row(self) -> Contact:
        """Return the row as a plain Contact."""
        return Contact(**dict(self))


class GroupRow(Group):
    """A row of `tables.groups`."""

    external_id: _Id
    project_id: Annotated[str, Field(pattern=r"^[^|]{0,128}$"), AfterValidator(check_id)] = ""
    addresses: Mapping[str, Annotated[tuple[_Address, ...], Field(max_length=_MAX_ADDRESSES), FailFast()]] = (
        Field(default_factory=dict)
    )
    version: _Version = 0

    @field_validator("addresses")
    @classmethod
    def _check_duplicates(cls, lists: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        if any(len(set(map(address_key, addresses))) < len(addresses) for addresses in lists.values()):
            raise ValueError("An address is listed twice.")
        return lists

    def key(self) -> str:
        """Return `external_id|project_id`."""
        return str(GroupKey(self.external_id, self.project_id))

    def row(self) -> Group:
        """Return the row as a plain Group."""
        return Group(**dict(self))


class AccountRow(Account):
    """A row of `tables.accounts`."""

    id: _Account
    version: _Version = 0

    def key(self) -> str:
        """Return the account id."""
        return self.id

    def row(self) -> Account:
        """Return the row as a plain Account."""
        return Account(**dict(self))


class ApiKeyRow(ApiKey):
    """A row of `tables.api-keys`."""

    id: _Id
    version: _Version = 0

    def key(self) -> str:
        """Return the API key id."""
        return self.id

    def row(self) -> ApiKey:
        """Return the row as a plain ApiKey."""
        return ApiKey(**dict(self))


ROW_MODELS: Mapping[str, Any] = {
    "recipients": RecipientRow,
    "contacts": ContactRow,
    "groups": GroupRow,
    "accounts": AccountRow,
    "api-keys": ApiKeyRow,
    "unsubscribes": Unsubscribe,
}
"""Schema of each table whose rows are pydantic models."""


def read_row(table: str, value: bytes) -> ValidatedRow:
    """Validate a row of a table of `ROW_MODELS`.

    Raise RowRefused, which names the first invalid field and not its value: the value may be an address.
    """
    try:
        return cast(ValidatedRow, ROW_MODELS[table].model_validate_json(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "row"
        raise RowRefused(f"{field[:200]}: {first['msg'].removeprefix('Value error, ')}") from None
