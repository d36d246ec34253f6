"""Table overlay: the tables as a hypothetical change would make them, for what-if."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import Unsubscribe
from service.model.keys import GroupKey
from service.model.recipient import Choice, Contact, Group, Recipient, preference_key
from service.ports import AccountPage, LookupKeys, MailBlock, RolePage, Rows, Tables

_Row = TypeVar("_Row", Recipient, Contact)
_DEFAULT = Choice(on=True)


@dataclass(frozen=True, slots=True)
class TableOverlay:
    """A hypothetical change of tables.

    `preferences`: recipient or contact id → `type:channel` → on. `groups`: whole rows instead of the stored ones.
    """

    preferences: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    groups: Sequence[Group] = ()

    @property
    def types(self) -> frozenset[str]:
        """Return the notification types that the change names."""
        keys = (key for chosen in self.preferences.values() for key in chosen)
        listed = (name for group in self.groups for name in group.addresses)
        return frozenset(key.rpartition(":")[0] for key in keys) | frozenset(listed)


def preference_change(recipient: str, type_name: str, channel: str, *, on: bool) -> TableOverlay:
    """Return the change of one preference of a recipient or contact."""
    return TableOverlay(preferences={recipient: {preference_key(type_name, channel): on}})


class OverlaidTables:
    """The Tables port over other tables, with a hypothetical change applied to each row."""

    def __init__(self, tables: Tables, change: TableOverlay) -> None:
        self._tables = tables
        self._change = change
        self._groups = {GroupKey(group.external_id, group.project_id): group for group in change.groups}

    async def lookup(self, keys: LookupKeys) -> Rows:
        """Return all rows of these keys, changed."""
        rows = await self._tables.lookup(keys)
        groups = {pair: row for pair, row in self._groups.items() if pair in keys.groups}
        return Rows(
            recipients={name: self._changed(row, name) for name, row in rows.recipients.items()},
            groups={**rows.groups, **groups},
            roles={role: self._page(page) for role, page in rows.roles.items()},
            account_pages={name: self._account_page(page) for name, page in rows.account_pages.items()},
            contacts={pair: self._changed(row, row.uuid) for pair, row in rows.contacts.items()},
            quiet_hours=rows.quiet_hours,
        )

    async def role(self, role: str, cursor: str, limit: int = 1000) -> RolePage:
        """Return the holders of a role, changed."""
        return self._page(await self._tables.role(role, cursor, limit))

    async def blocks(self, query: Sequence[tuple[str, str]]) -> Sequence[MailBlock]:
        """Return the stored blocks: the change does not concern them."""
        return await self._tables.blocks(query)

    async def unsubscribed(self, key: str) -> Unsubscribe | None:
        """Return the stored unsubscribe."""
        return await self._tables.unsubscribed(key)

    async def suppression(self, address: str) -> Suppression | None:
        """Return the stored suppression."""
        return await self._tables.suppression(address)

    async def incomplete(self) -> str | None:
        """Return why nothing may be sent yet; None when the tables are complete."""
        return await self._tables.incomplete()

    async def account(self, account: str, cursor: str, limit: int = 1000) -> AccountPage:
        """Return contacts of an account, changed."""
        return self._account_page(await self._tables.account(account, cursor, limit))

    def _account_page(self, page: AccountPage) -> AccountPage:
        return replace(page, contacts=tuple(self._changed(row, row.uuid) for row in page.contacts))

    def _page(self, page: RolePage) -> RolePage:
        return RolePage(tuple(self._changed(row, row.id) for row in page.members), page.cursor)

    def _changed(self, row: _Row, name: str) -> _Row:
        chosen = self._change.preferences.get(name)
        if not chosen:
            return row
        choices = {
            key: Choice(on=on, by="what-if", frequency=row.preferences.get(key, _DEFAULT).frequency)
            for key, on in chosen.items()
        }
        return row.model_copy(update={"preferences": {**row.preferences, **choices}})
