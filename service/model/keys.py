"""Composite keys. Different parts never give the same key, whatever separators the parts contain.

Keys of the tables are two parts joined by `|`: keys of records, and the row that a delivery matched.
"""

from typing import NamedTuple, Self


def joined_key(*parts: str) -> str:
    """Return the parts joined by `|`; a `|` or `%` in a part is percent-encoded, so no two lists of parts are alike."""
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


class GroupKey(NamedTuple):
    """The key of a group: `external_id|project_id`. Only the external id may contain the separator."""

    external_id: str
    project_id: str = ""

    def __str__(self) -> str:
        return f"{self.external_id}|{self.project_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key in a text, split at its last separator."""
        external_id, _, project_id = text.rpartition("|")
        return cls(external_id, project_id)


class ContactKey(NamedTuple):
    """The key of a contact: `account|uuid`. Only the account may contain the separator."""

    account: str
    uuid: str

    def __str__(self) -> str:
        return f"{self.account}|{self.uuid}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key in a text, split at its last separator."""
        account, _, uuid = text.rpartition("|")
        return cls(account, uuid)
