"""Standing: what stops a recipient's mail as the tables have it now, and since when. For `explain`."""

from collections.abc import Iterable, Sequence
from typing import Any

from service.model.catalogue import AudienceRule, Catalogue
from service.model.channels import CHANNELS, Channel
from service.model.ids import address_pseudonym
from service.model.keys import GroupKey
from service.model.ledger import Entry
from service.model.unsubscribe import unsubscribe_key
from service.ports import LookupKeys, MailBlock, Rows, Tables

_NOTHING = MailBlock()


def rows_of(entries: Iterable[Entry]) -> LookupKeys:
    """The rows by which these were found."""
    wanted = LookupKeys()
    for entry in entries:
        if entry.rule == AudienceRule.account:
            wanted.accounts.add(entry.matched)
        elif entry.rule == AudienceRule.group:
            wanted.groups.add(GroupKey.parse(entry.matched))
        else:
            wanted.recipients.add(entry.recipient)
    return wanted


class MailBlocks:
    """Looks up suppressions and unsubscribes."""

    def __init__(self, catalogue: Catalogue, tables: Tables) -> None:
        self._catalogue = catalogue
        self._tables = tables

    async def of_entries(
        self, entries: Sequence[Entry], type_name: str, rows: Rows, now_ms: int
    ) -> list[dict[str, Any] | None]:
        """For each delivery what would stop its mail now; None for other channels and for what nothing stops."""
        row = self._catalogue.get(type_name)
        if row is not None and row.mandatory:
            return [None] * len(entries)
        asked = [
            (_address(entry, type_name, rows), _key(entry, type_name))
            for entry in entries
            if CHANNELS[Channel(entry.channel)].suppressible
        ]
        found = iter(await self._tables.blocks(asked) if asked else ())
        bars = (
            next(found) if CHANNELS[Channel(entry.channel)].suppressible else _NOTHING for entry in entries
        )
        return [_shown(bar, now_ms) or None for bar in bars]

    async def of_person(self, name: str, address: str, now_ms: int) -> dict[str, Any]:
        """What stops all mail to an address, and the types that this recipient has unsubscribed from."""
        types = [row.name for row in self._catalogue if row.suppressible and not row.mandatory]
        bars = await self._tables.blocks([(address, unsubscribe_key("", name, one)) for one in types])
        shown = [_shown(bar, now_ms) for bar in bars]
        return {
            "suppressed": next((one["suppressed"] for one in shown if "suppressed" in one), None),
            "unsubscribed": {
                one: told["unsubscribed"]
                for one, told in zip(types, shown, strict=True)
                if "unsubscribed" in told
            },
        }


def _shown(bar: MailBlock, now_ms: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if (stopped := bar.suppression) is not None and stopped.stands(now_ms):
        told["suppressed"] = {"reason": stopped.reason.value, "since_ms": stopped.at_ms}
        if stopped.until_ms:
            told["suppressed"]["until_ms"] = stopped.until_ms
    if bar.unsubscribed is not None:
        told["unsubscribed"] = {"since_ms": bar.unsubscribed.since_ms, "by": bar.unsubscribed.by}
    return told


def _key(entry: Entry, type_name: str) -> str:
    return unsubscribe_key(
        entry.matched if entry.rule == AudienceRule.account else "", entry.recipient, type_name
    )


def _address(entry: Entry, type_name: str, rows: Rows) -> str:
    """As the tables have it now; empty where they have none."""
    if entry.rule == AudienceRule.account:
        held = rows.accounts.get(entry.matched, ())
        return next((contact.email for contact in held if contact.uuid == entry.recipient), "")
    if entry.rule == AudienceRule.group:
        group = rows.groups.get(GroupKey.parse(entry.matched))
        listed: Iterable[str] = group.addresses.get(type_name, ()) if group else ()
        return next((address for address in listed if address_pseudonym(address) == entry.recipient), "")
    person = rows.recipients.get(entry.recipient)
    return person.address if person else ""
