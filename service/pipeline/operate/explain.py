"""Explain: what became of an event, or of what somebody was due, and why; also why somebody got nothing.

Puts together what the ledger wrote when it happened; from the tables, what holds now. Reads only.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.model.catalogue import AudienceRule, Catalogue, NotificationType
from service.model.channels import Channel
from service.model.ids import address_pseudonym, delivery_id, event_key, is_pseudonym
from service.model.ledger import Entry, HistoryStep, State, is_open
from service.model.recipient import Choice, preference_key
from service.pipeline.operate.blocks import MailBlocks, rows_of
from service.pipeline.operate.not_notified import NotNotified, not_found, not_made, rows_for
from service.ports import AddressSearch, Clock, DueSet, Ledger, LedgerIndex, LookupKeys, Rows, Tables

_REPLY = re.compile(r"(\S+) (\d{3}(?: .*)?)")
_ANSWERED = frozenset({State.sent, State.deferred, State.bounced, State.ambiguous, State.expired, State.held})
_MOST_EVENTS = 100
_MOST_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class ExplainQuery:
    """What is to be explained: an event (by its id or key), a recipient, who has an address, or both.

    `source` may be left out. `type` and `since_ms` narrow what a recipient was due. `limit`: deliveries shown an
    event, and events shown; these are never more than 100, the newest.
    """

    event: str = ""
    source: str = ""
    recipient: str = ""
    address: str = ""
    type: str = ""
    since_ms: int = 0
    limit: int = 1000


class Explainer:
    """Answers an Ask with a document as JSON can hold it. Times are milliseconds since the epoch.

    It holds addresses only where they were asked for or an old detail quotes one: who shows it masks it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        index: LedgerIndex,
        tables: Tables,
        *,
        due: DueSet,
        search: AddressSearch,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._index = index
        self._tables = tables
        self._due = due
        self._search = search
        self._clock = clock
        self._standing = MailBlocks(catalogue, tables)

    async def __call__(self, ask: ExplainQuery) -> dict[str, Any]:
        """`events` is empty where nothing is known. Raises Unavailable."""
        people = await self._people(ask)
        events: list[dict[str, Any]] = []
        for key in await self._events(ask, people):
            if (found := await self._event(key, people, ask)) is not None:
                events.append(found)
            if len(events) == min(ask.limit, _MOST_EVENTS):
                break
        named = [await self._person(name) for name in people if not is_pseudonym(name)]
        if ask.address:
            named += await self._listed(ask.address)
        return {"asked": {n: v for n, v in asdict(ask).items() if v}, "people": named, "events": events}

    async def _people(self, ask: ExplainQuery) -> list[str]:
        """The ids that were asked for; a person is also the address that a group may list."""
        if ask.address:
            return [*await self._search.holders(ask.address), address_pseudonym(ask.address)]
        if not ask.recipient:
            return []
        rows = await self._tables.lookup(LookupKeys(recipients={ask.recipient}))
        person = rows.recipients.get(ask.recipient)
        return [ask.recipient, *([address_pseudonym(person.address)] if person and person.address else [])]

    async def _events(self, ask: ExplainQuery, people: Sequence[str]) -> Sequence[str]:
        if ask.event:
            if ask.source:
                return [event_key(ask.source, ask.event)]
            return [*await self._index.named(ask.event), ask.event]
        found: dict[str, None] = {}
        for name in people:
            pairs = await self._index.recipient_entries(name, ask.since_ms, _MOST_REMEMBERED)
            found.update((event, None) for event, _ in pairs)
        return list(found)

    async def _event(self, key: str, people: Sequence[str], ask: ExplainQuery) -> dict[str, Any] | None:
        head = await self._ledger.head(key)
        if head is None or (ask.type and head.get("type") != ask.type):
            return None
        row = self._catalogue.get(str(head.get("type", "")))
        sums = _Sums()
        entries = [e async for e in self._of_people(key, people)]
        if ask.event:
            async for entry in self._ledger.entries(key):
                sums.add(entry)
                if not people and len(entries) < ask.limit:
                    entries.append(entry)
        else:
            for entry in entries:
                sums.add(entry)
        missing = await self._missing(row, head, people, entries) if row else []
        return {
            "event": dict(head),
            "audience": [_rule(rule.kind, rule.role, head) for rule in row.audience] if row else [],
            "deliveries": await self._deliveries(entries, str(head.get("type", ""))),
            "not_made": [asdict(one) for one in missing],
            "sums": sums.document(),
        }

    async def _of_people(self, key: str, people: Iterable[str]) -> AsyncIterator[Entry]:
        for name in people:
            for channel in Channel:
                entry = await self._ledger.entry(key, delivery_id(key, name, channel))
                if entry is not None:
                    yield entry

    async def _missing(
        self,
        row: NotificationType,
        head: Mapping[str, object],
        people: Sequence[str],
        entries: Sequence[Entry],
    ) -> list[NotNotified]:
        """Those asked for who got nothing, and for those found the channels that were never in question.

        A person's pseudonym that no group lists is no answer of its own.
        """
        has: dict[str, set[str]] = {}
        for entry in entries:
            has.setdefault(entry.recipient, set()).add(entry.channel)
        found = {entry.recipient: entry.rule for entry in entries}
        missing = [one for name in has for one in not_made(name, found[name], has[name], row)]
        asked = [name for name in people if name not in has]
        if len(people) > 1:
            asked = [name for name in asked if not is_pseudonym(name)]
        if asked:
            rows = await self._tables.lookup(rows_for(head, set(asked)))
            missing += [one for name in asked for one in not_found(name, row, head, rows)]
        return missing

    async def _deliveries(self, entries: Sequence[Entry], type_name: str) -> list[dict[str, Any]]:
        times = await self._due.times([entry.delivery for entry in entries])
        rows = await self._tables.lookup(rows_of(entries))
        stops = await self._standing.of_entries(entries, type_name, rows, self._clock.now_ms())
        return [
            {
                "recipient": entry.recipient,
                "channel": entry.channel,
                "delivery": entry.delivery,
                "found": entry.rule,
                "scope": entry.matched,
                "state": entry.state.value,
                "open": is_open(entry.state),
                "reason": entry.steps[0].reason.value,
                "decided": entry.steps[-1].detail,
                "preference": _preference(_choice(entry, type_name, rows)),
                "stopped": stopped,
                "attempts": max(step.attempt for step in entry.steps),
                "next_ms": next_ms,
                "steps": [_step(step) for step in entry.steps],
            }
            for entry, next_ms, stopped in zip(entries, times, stops, strict=True)
        ]

    async def _person(self, name: str) -> dict[str, Any]:
        """Somebody as the recipients table has them now."""
        row = (await self._tables.lookup(LookupKeys(recipients={name}))).recipients.get(name)
        address = row.address if row else ""
        stops = await self._standing.of_person(name, address, self._clock.now_ms())
        if row is None:
            return {"recipient": name, "known": False, **stops}
        return {
            "recipient": name,
            "known": True,
            "address": address,
            "roles": list(row.roles),
            "preferences": {key: _preference(choice) for key, choice in row.preferences.items()},
            **stops,
        }

    async def _listed(self, address: str) -> list[dict[str, Any]]:
        """An address as groups list it, if its mail is stopped."""
        stops = await self._standing.of_person(address_pseudonym(address), address, self._clock.now_ms())
        return (
            [{"recipient": address_pseudonym(address), "known": False, **stops}]
            if any(stops.values())
            else []
        )


class _Sums:
    """Every delivery of an event counted once as final or open, and once as a recipient's."""

    def __init__(self) -> None:
        self._states: Counter[State] = Counter()
        self._resolved = 0
        self._recipients: set[str] = set()

    def add(self, entry: Entry) -> None:
        self._resolved += 1
        self._recipients.add(entry.recipient)
        self._states[entry.state] += 1

    def document(self) -> dict[str, Any]:
        final = {state.value: n for state, n in self._states.items() if not is_open(state)}
        pending = {state.value: n for state, n in self._states.items() if is_open(state)}
        return {
            "recipients": len(self._recipients),
            "resolved": self._resolved,
            "final": final,
            "open": pending,
            "balanced": self._resolved == sum(final.values()) + sum(pending.values()),
        }


def _rule(kind: AudienceRule, role: str | None, head: Mapping[str, object]) -> dict[str, Any]:
    """A rule of the audience, with what the event gave it."""
    match kind:
        case AudienceRule.users:
            return {"rule": kind.value, "named": head.get("recipients", 0)}
        case AudienceRule.role:
            return {"rule": kind.value, "role": role}
        case AudienceRule.account:
            return {"rule": kind.value, "account": head.get("account")}
    return {
        "rule": kind.value,
        "external_id": head.get("external_id"),
        "project_id": head.get("project_id", ""),
    }


def _choice(entry: Entry, type_name: str, rows: Rows) -> Choice | None:
    """What the recipient has chosen for this type and channel, as it stands now."""
    key = preference_key(type_name, entry.channel)
    if entry.rule == "account":
        contacts = rows.accounts.get(entry.matched, ())
        return next((c.preferences.get(key) for c in contacts if c.uuid == entry.recipient), None)
    row = rows.recipients.get(entry.recipient)
    return row.preferences.get(key) if row else None


def _preference(choice: Choice | None) -> dict[str, Any] | None:
    return None if choice is None else choice.model_dump()


def _step(step: HistoryStep) -> dict[str, Any]:
    """A line of the history; a relay's answer is taken apart."""
    told = {"state": step.state.value, "at_ms": step.at_ms, "attempt": step.attempt}
    told |= {"reason": step.reason.value, "detail": step.detail}
    if step.state in _ANSWERED and (answer := _REPLY.fullmatch(step.detail)):
        told |= {"relay": answer[1], "reply": answer[2], "detail": ""}
    return told
