"""Blocks in force, for `explain`: the suppressions and unsubscribes that stop a recipient's mail now, with times."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.catalogue import DIGEST, AudienceRule, Catalogue
from service.model.channels import CHANNELS, Channel
from service.model.ids import address_pseudonym
from service.model.keys import ContactKey, GroupKey
from service.model.ledger import Entry
from service.ports import LookupKeys, MailBlock, Rows, Tables

_NO_BLOCK = MailBlock()


class Resolution(Protocol):
    """How a recipient of a delivery was found: by which rule, and through which row or role."""

    @property
    def recipient(self) -> str:
        """Return the recipient's id."""

    @property
    def rule(self) -> str:
        """Return the rule of the audience."""

    @property
    def matched(self) -> str:
        """Return the row or role that the rule matched."""


class ResolvedRecipient(NamedTuple):
    """A Resolution without the rest of a delivery."""

    recipient: str
    rule: str
    matched: str


async def addresses_of(tables: Tables, resolved: Sequence[Resolution], type_name: str) -> list[str]:
    """Return the current address of each recipient; empty where the tables have none. Raise Unavailable."""
    rows = await tables.lookup(keys_of(resolved))
    listed = _addresses_by_pseudonym(rows, type_name)
    return [_address(one, rows, listed) for one in resolved]


def keys_of(entries: Iterable[Resolution]) -> LookupKeys:
    """Return the keys of the rows through which the recipients of these deliveries were found."""
    keys = LookupKeys()
    for entry in entries:
        if entry.rule == AudienceRule.account:
            keys.contacts.add(ContactKey(entry.matched, entry.recipient))
        elif entry.rule == AudienceRule.group:
            keys.groups.add(GroupKey.parse(entry.matched))
        else:
            keys.recipients.add(entry.recipient)
    return keys


class MailBlocks:
    """Lookup of suppressions and unsubscribes, as JSON."""

    def __init__(self, catalogue: Catalogue, tables: Tables) -> None:
        self._catalogue = catalogue
        self._tables = tables

    async def of_entries(
        self, entries: Sequence[Entry], type_name: str, rows: Rows, now_ms: int
    ) -> list[dict[str, Any] | None]:
        """Return for each delivery what blocks its mail now; None where nothing does or the channel has no blocks."""
        notification_type = self._catalogue.get(type_name)
        if notification_type is not None and notification_type.mandatory:
            return [None] * len(entries)
        listed = _addresses_by_pseudonym(rows, type_name)
        query = [
            (_address(entry, rows, listed), _unsubscribe_key(entry, type_name))
            for entry in entries
            if CHANNELS[Channel(entry.channel)].suppressible
        ]
        looked_up = iter(await self._tables.blocks(query) if query else ())
        blocks = (
            next(looked_up) if CHANNELS[Channel(entry.channel)].suppressible else _NO_BLOCK
            for entry in entries
        )
        return [_document(block, now_ms) or None for block in blocks]

    async def of_recipient(self, recipient: str, address: str, now_ms: int) -> dict[str, Any]:
        """Return the suppression of an address, and the unsubscribes of a recipient by type."""
        types = [type_.name for type_ in self._catalogue if type_.suppressible and not type_.mandatory]
        blocks = await self._tables.blocks(
            [(address, unsubscribe_key("", recipient, type_name)) for type_name in types]
        )
        documents = [_document(block, now_ms) for block in blocks]
        return {
            "suppressed": next((one["suppressed"] for one in documents if "suppressed" in one), None),
            "unsubscribed": {
                type_name: document["unsubscribed"]
                for type_name, document in zip(types, documents, strict=True)
                if "unsubscribed" in document
            },
        }


def _document(block: MailBlock, now_ms: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if (suppression := block.suppression) is not None and suppression.in_force(now_ms):
        document["suppressed"] = {"reason": suppression.reason.value, "since_ms": suppression.at_ms}
        if suppression.until_ms:
            document["suppressed"]["until_ms"] = suppression.until_ms
    if block.unsubscribed is not None:
        document["unsubscribed"] = {"since_ms": block.unsubscribed.since_ms, "by": block.unsubscribed.by}
    return document


def _unsubscribe_key(entry: Entry, type_name: str) -> str:
    return unsubscribe_key(
        entry.matched if entry.rule == AudienceRule.account else "", entry.recipient, type_name
    )


def _addresses_by_pseudonym(rows: Rows, type_name: str) -> Mapping[GroupKey, Mapping[str, str]]:
    """Return the addresses that each group lists for a type, by their pseudonyms: made once, not for each delivery.

    A digest may be for an address that is listed for any type.
    """
    return {
        key: {
            address_pseudonym(address): address
            for listed_type, addresses in group.addresses.items()
            if type_name in (listed_type, DIGEST)
            for address in addresses
        }
        for key, group in rows.groups.items()
    }


def _address(entry: Resolution, rows: Rows, listed: Mapping[GroupKey, Mapping[str, str]]) -> str:
    """Return the recipient's current address; empty where the tables have none."""
    if entry.rule == AudienceRule.account:
        contact = rows.contacts.get(ContactKey(entry.matched, entry.recipient))
        return contact.email if contact else ""
    if entry.rule == AudienceRule.group:
        return listed.get(GroupKey.parse(entry.matched), {}).get(entry.recipient, "")
    recipient = rows.recipients.get(entry.recipient)
    return recipient.address if recipient else ""
