"""Explain: the state of an event's or a recipient's deliveries and why; also why a recipient has none.

The answer joins the ledger, written when each state changed, with the tables as they are now, and with what relays have
said to accepted messages, from `dispatch.outcomes`. Read-only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.model.catalogue import DIGEST, AudienceRule, Catalogue, Lane, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.ids import (
    address_pseudonym,
    delivery_id,
    event_key,
    event_of_delivery,
    is_pseudonym,
    reminder_id,
)
from service.model.keys import ContactKey
from service.model.ledger import Entry, HistoryStep, State, is_open
from service.model.recipient import Choice, preference_key
from service.model.relay import RelayState
from service.pipeline.operate.blocks import MailBlocks, keys_of
from service.pipeline.operate.digest_links import DigestLinks
from service.pipeline.operate.not_notified import NotNotified, channels_left_out, keys_for, not_matched
from service.pipeline.operate.problem_rules import find_problems
from service.pipeline.operate.problems import Observer
from service.ports import (
    AddressSearch,
    Clock,
    DigestWindows,
    DueSet,
    Ledger,
    LedgerIndex,
    LookupKeys,
    OutcomeLog,
    Rows,
    Tables,
)

_REPLY = re.compile(r"(\S+) (\d{3}(?: .*)?)")
_WITH_REPLY = frozenset(
    {State.sent, State.deferred, State.bounced, State.ambiguous, State.expired, State.held}
)
_MAX_EVENTS = 100
_MAX_INDEXED = 2000
_MAX_ACCEPTANCES = 100


@dataclass(frozen=True, slots=True)
class ExplainQuery:
    """A query for an event (by its id or key), for a recipient, for all holders of an address, or for both.

    Or for one delivery by its id.

    `source` is optional. `type` and `since_ms` narrow a recipient's deliveries. `limit`: deliveries shown per event,
    and events shown; never more than 100 events, the newest.
    """

    event: str = ""
    source: str = ""
    recipient: str = ""
    address: str = ""
    type: str = ""
    since_ms: int = 0
    limit: int = 1000
    delivery: str = ""


class Explainer:
    """Builder of the JSON document that answers an ExplainQuery. Times are milliseconds since the epoch.

    The document holds addresses only where the query names one or an old detail quotes one; the caller masks them.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        index: LedgerIndex,
        tables: Tables,
        *,
        due: DueSet,
        windows: DigestWindows,
        search: AddressSearch,
        observer: Observer,
        clock: Clock,
        outcomes: OutcomeLog | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._catalogue = catalogue
        self._ledger = ledger
        self._index = index
        self._tables = tables
        self._digests = DigestLinks(ledger, index, due, windows)
        self._search = search
        self._observer = observer
        self._clock = clock
        self._blocks = MailBlocks(catalogue, tables)

    async def __call__(self, query: ExplainQuery) -> dict[str, Any]:
        """Return the answer; its `events` is empty where the ledger holds nothing. Raise Unavailable."""
        recipients = await self._recipients(query)
        events: list[dict[str, Any]] = []
        for key in await self._events(query, recipients):
            if (event := await self._event(key, recipients, query)) is not None:
                events.append(event)
            if len(events) == min(query.limit, _MAX_EVENTS):
                break
        await self._add_acceptances(events)
        people = [await self._recipient(name) for name in recipients if not is_pseudonym(name)]
        if query.address:
            people += await self._listed_address(query.address)
        seen = await self._observer.observe()
        relays = [relay for worker in seen.reports for relay in worker.relays]
        waits = self._waits(events) or ({"resolve"} if query.event and not events else set())
        return {
            "asked": {n: v for n, v in asdict(query).items() if v},
            "people": people,
            "events": events,
            "relays": [one.document() for one in relays if one.state is not RelayState.ok],
            "problems": [
                problem.document() for problem in find_problems(seen) if any(map(problem.concerns, waits))
            ],
        }

    def _waits(self, events: Sequence[Mapping[str, Any]]) -> set[str]:
        """Return the stages, with lanes, for which the deliveries that are shown wait."""
        return {
            stage
            for event in events
            for delivery in event["deliveries"]
            for stage in _next_stages(
                delivery, self._catalogue.of_delivery(str(event["event"].get("type", "")))
            )
        }

    async def _add_acceptances(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Add what relays have said to accepted messages, which the ledger does not hold; of the newest 100."""
        if self._outcomes is None:
            return
        steps = [
            (delivery["delivery"], step)
            for event in events
            for delivery in event["deliveries"]
            for step in delivery["steps"]
            if step["state"] == State.sent and "relay" not in step
        ]
        steps.sort(key=lambda one: -one[1]["at_ms"])
        shown = steps[:_MAX_ACCEPTANCES]
        found = await self._outcomes.acceptances([(delivery, step["at_ms"]) for delivery, step in shown])
        for delivery, step in shown:
            if outcome := found.get((delivery, step["at_ms"])):
                step |= {"relay": outcome.relay, "reply": outcome.reply}

    async def _recipients(self, query: ExplainQuery) -> list[str]:
        """Return the recipient ids of the query; a recipient is also the pseudonym of its address in group lists."""
        if query.address:
            return [*await self._search.find(query.address), address_pseudonym(query.address)]
        if not query.recipient:
            return []
        rows = await self._tables.lookup(LookupKeys(recipients={query.recipient}))
        row = rows.recipients.get(query.recipient)
        return [query.recipient, *([address_pseudonym(row.address)] if row and row.address else [])]

    async def _events(self, query: ExplainQuery, recipients: Sequence[str]) -> Sequence[str]:
        """Return the keys of the events to explain, each once."""
        if query.delivery:
            return [event_of_delivery(query.delivery)]
        if query.event:
            if query.source:
                return [event_key(query.source, query.event)]
            return [*await self._index.named(query.event), query.event]
        events: dict[str, None] = {}
        for name in recipients:
            pairs = await self._index.recipient_entries(name, query.since_ms, _MAX_INDEXED)
            events.update((event, None) for event, _ in pairs)
        return list(events)

    async def _event(self, key: str, recipients: Sequence[str], query: ExplainQuery) -> dict[str, Any] | None:
        """Return the document of one event; None where the ledger does not hold it or it is of another type."""
        head = await self._ledger.head(key)
        if head is None or (query.type and head.get("type") != query.type):
            return None
        type_name = str(head.get("type", ""))
        notification_type = self._catalogue.get(type_name)  # None for a digest, which has no audience
        sums = _Sums()
        entries = await self._entries_of(key, recipients, notification_type)
        if query.delivery:
            entries = [
                one for one in await self._ledger.entries_of([(key, query.delivery)]) if one is not None
            ]
            if not entries:
                return None
        if query.event:
            async for entry in self._ledger.entries(key):
                sums.add(entry)
                if not recipients and len(entries) < query.limit:
                    entries.append(entry)
        else:
            for entry in entries:
                sums.add(entry)
        missing: list[NotNotified] = []
        audience: list[dict[str, Any]] = []
        if notification_type is not None:
            if not query.delivery:
                missing = await self._missing(notification_type, head, recipients, entries)
            audience = [_rule(rule.kind, rule.role, head) for rule in notification_type.audience]
        return {
            "event": dict(head),
            "audience": audience,
            "deliveries": await self._deliveries(entries, type_name),
            "not_made": [one.document() for one in missing],
            "sums": sums.document(),
        }

    async def _entries_of(
        self, key: str, recipients: Iterable[str], notification_type: NotificationType | None
    ) -> list[Entry]:
        reminders = notification_type.reminders if notification_type else None
        ids = [
            id_
            for recipient in recipients
            for id_ in (
                *(delivery_id(key, recipient, channel) for channel in Channel),
                *(reminder_id(key, recipient, n + 1) for n in range(reminders.most if reminders else 0)),
            )
        ]
        return [one for one in await self._ledger.entries_of([(key, id_) for id_ in ids]) if one is not None]

    async def _missing(
        self,
        notification_type: NotificationType,
        head: Mapping[str, object],
        recipients: Sequence[str],
        entries: Sequence[Entry],
    ) -> list[NotNotified]:
        """Return why there is no delivery, for each queried recipient × channel without one.

        A pseudonym of a queried recipient that no group lists gets no answer of its own.
        """
        has: dict[str, set[str]] = {}
        for entry in entries:
            has.setdefault(entry.recipient, set()).add(entry.channel)
        rules = {entry.recipient: entry.rule for entry in entries}
        missing = [
            one for name in has for one in channels_left_out(name, rules[name], has[name], notification_type)
        ]
        without = [name for name in recipients if name not in has]
        if len(recipients) > 1:
            without = [name for name in without if not is_pseudonym(name)]
        if without:
            rows = await self._tables.lookup(keys_for(head, set(without)))
            missing += [one for name in without for one in not_matched(name, notification_type, head, rows)]
        return missing

    async def _deliveries(self, entries: Sequence[Entry], type_name: str) -> list[dict[str, Any]]:
        times = await self._digests.until_ms(entries)
        digests = await self._digests.of_items(entries)
        rows = await self._tables.lookup(keys_of(entries))
        blocks = await self._blocks.of_entries(entries, type_name, rows, self._clock.now_ms())
        return [
            {
                "recipient": entry.recipient,
                "channel": entry.channel,
                "delivery": entry.delivery,
                "found": entry.rule,
                "scope": entry.matched,
                "state": entry.state.value,
                "open": is_open(entry.state),
                "reason": entry.newest_step.reason.value,
                "reason_text": entry.newest_step.reason.text,
                "decided": entry.steps[-1].detail,
                "preference": _preference(_choice(entry, type_name, rows)),
                "stopped": block,
                "attempts": max(step.attempt for step in entry.steps),
                "next_ms": next_ms,
                "digest": digest,
                "items": await self._digests.items_of(entry, type_name),
                "steps": [_step(step) for step in entry.steps],
            }
            for entry, next_ms, block, digest in zip(entries, times, blocks, digests, strict=True)
        ]

    async def _recipient(self, recipient: str) -> dict[str, Any]:
        """Return a recipient's current row and the blocks of its mail."""
        row = (await self._tables.lookup(LookupKeys(recipients={recipient}))).recipients.get(recipient)
        address = row.address if row else ""
        blocks = await self._blocks.of_recipient(recipient, address, self._clock.now_ms())
        if row is None:
            return {"recipient": recipient, "known": False, **blocks}
        return {
            "recipient": recipient,
            "known": True,
            "address": address,
            "roles": list(row.roles),
            "preferences": {key: _preference(choice) for key, choice in row.preferences.items()},
            **blocks,
        }

    async def _listed_address(self, address: str) -> list[dict[str, Any]]:
        """Return an address as the recipient that group lists make of it, if its mail is blocked."""
        recipient = address_pseudonym(address)
        blocks = await self._blocks.of_recipient(recipient, address, self._clock.now_ms())
        return [{"recipient": recipient, "known": False, **blocks}] if any(blocks.values()) else []


class _Sums:
    """Counts of an event's deliveries by state, and of its recipients."""

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


def _next_stages(delivery: Mapping[str, Any], notification_type: NotificationType | None) -> Sequence[str]:
    """Return the stages that have to act on a delivery next; none where it is final or an operator decides."""
    channel = Channel(delivery["channel"])
    stages: Sequence[str] = (channel.value,)
    if CHANNELS[channel].lanes and notification_type:
        # A digest is in the lane of its first item, which the ledger does not know.
        lanes = Lane if notification_type.name == DIGEST else (notification_type.lane,)
        stages = [f"{channel}.{lane}" for lane in lanes]
    match State(delivery["state"]):
        case State.queued | State.sending:
            return stages
        case State.deferred | State.ambiguous:
            return ("schedule", *stages)
        case State.held if delivery["next_ms"] is not None:
            return ("schedule", *stages)
    return ()


def _rule(kind: AudienceRule, role: str | None, head: Mapping[str, object]) -> dict[str, Any]:
    """Return a rule of the audience, with the event's values for it."""
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
    """Return the recipient's current preference for this type and channel."""
    key = preference_key(type_name, entry.channel)
    if entry.rule == "account":
        contact = rows.contacts.get(ContactKey(entry.matched, entry.recipient))
        return contact.preferences.get(key) if contact else None
    row = rows.recipients.get(entry.recipient)
    return row.preferences.get(key) if row else None


def _preference(choice: Choice | None) -> dict[str, Any] | None:
    return None if choice is None else choice.model_dump(exclude_none=True)


def _step(step: HistoryStep) -> dict[str, Any]:
    """Return a step of the history; a relay's reply is split from the relay's name."""
    document: dict[str, Any] = {
        "state": step.state.value,
        "at_ms": step.at_ms,
        "attempt": step.attempt,
        "reason": step.reason.value,
        "reason_text": step.reason.text,
        "detail": step.detail,
    }
    if step.state in _WITH_REPLY and (reply := _REPLY.fullmatch(step.detail)):
        document |= {"relay": reply[1], "reply": reply[2], "detail": ""}
    return document
