"""Privacy: what is kept of a person is handed over whole, or erased as far as a log allows (docs/adr)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from service.model.ledger import State, Transition, sources_of
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.recipient import Contact, Group
from service.model.topics import TopicNames
from service.model.unsubscribe import unsubscribe_key
from service.pipeline.messages import message_of
from service.pipeline.operate.data_subject import DataSubject, DeliveryRef
from service.pipeline.tables.writer import TableWriter
from service.ports import Clock, DueSet, Inbox, InboxItem, Ledger, PersonalData, Publisher, Tables

_CHUNK = 200
_STOPPABLE = sources_of(State.withdrawn)


@dataclass(frozen=True, slots=True)
class PrivacyPorts:
    """All that export and erase look at. `types`: the names of the catalogue."""

    tables: Tables
    ledger: Ledger
    inbox: Inbox
    due: DueSet
    personal: PersonalData
    writer: TableWriter
    publisher: Publisher
    topics: TopicNames
    clock: Clock
    types: Sequence[str] = ()


async def export(person: DataSubject, traces: Iterable[DeliveryRef], ports: PrivacyPorts) -> dict[str, Any]:
    """Everything but the records of Kafka, as JSON can hold it. Raises Unavailable."""
    pairs = await _pairs(person, traces, ports)
    entries = [await ports.ledger.entry(event, delivery) for event, delivery in pairs]
    times = await ports.due.times([delivery for _, delivery in pairs])
    suppressions = {a: await ports.tables.suppression(a) for a in sorted(person.addresses)}
    return {
        "ids": sorted(person.ids),
        "addresses": sorted(person.addresses),
        "recipients": [row.model_dump(mode="json") for row in person.recipients],
        "contacts": [row.model_dump(mode="json") for row in person.contacts],
        "groups": [
            {
                "external_id": group.external_id,
                "project_id": group.project_id,
                "types": sorted(
                    t for t, listed in group.addresses.items() if _without(person, listed) != listed
                ),
            }
            for group in person.groups
        ],
        "suppressions": {address: row for address, row in suppressions.items() if row},
        "unsubscribes": await _unsubscribes(person, ports),
        "inbox": [item for name in sorted(person.ids) for item in await ports.personal.entries(name)],
        "ledger": [entry for entry in entries if entry],
        "due": {delivery: at for (_, delivery), at in zip(pairs, times, strict=True) if at is not None},
    }


class Eraser:
    """Erases a person. Rows first, so that nothing new comes; then what is on its way; then what is remembered.

    Every step may be done again: cut off, an erasure is repeated. Suppressions stay, as hashes: who was suppressed
    must not be mailed again because nobody remembers why.
    """

    def __init__(self, ports: PrivacyPorts) -> None:
        self._ports = ports

    async def __call__(self, person: DataSubject, traces: Sequence[DeliveryRef]) -> Counter[str]:
        """What was erased, by kind. Raises Unavailable."""
        counts = await self._rows(person)
        pairs = await _pairs(person, traces, self._ports)
        boxes = {name: await self._ports.personal.entries(name) for name in sorted(person.ids)}
        counts["stopped"] = await self._stop(pairs, traces)
        await self._ports.due.drop([delivery for _, delivery in pairs])
        for name, items in boxes.items():
            counts["inbox"] += await self._ports.inbox.remove(name, [item.id for item in items])
        await self._take_out_of_history(traces, boxes)
        counts["ledger"] = await self._ports.personal.anonymise(pairs, f"erased-{token_hex(6)}")
        for name in person.ids:
            await self._ports.personal.forget(name)
        return +counts

    async def _rows(self, person: DataSubject) -> Counter[str]:
        writer, counts = self._ports.writer, Counter[str]()
        for recipient in person.recipients:
            counts["recipients"] += await writer.drop_recipient(recipient.id)
        for contact in person.contacts:
            counts["contacts"] += await self._drop_contact(contact)
        for group in person.groups:

            def without(row: Group) -> Group:
                kept = {name: _without(person, listed) for name, listed in row.addresses.items()}
                return row.model_copy(update={"addresses": kept})

            await writer.group(group.external_id, group.project_id, without)
            counts["groups"] += 1
        return counts

    async def _drop_contact(self, contact: Contact) -> bool:
        def choose(rows: Sequence[Contact]) -> Contact:
            if not (found := [row for row in rows if row.uuid == contact.uuid]):
                raise LookupError(contact.uuid)
            return found[0]

        try:
            await self._ports.writer.drop_contact(contact.account, choose)
        except LookupError:
            return False  # gone meanwhile
        return True

    async def _stop(self, pairs: Sequence[tuple[str, str]], traces: Sequence[DeliveryRef]) -> int:
        """Withdraw what is still to come, and tell it."""
        known = {trace.delivery: trace for trace in traces}
        now, stopped = self._ports.clock.now_ms(), 0
        for start in range(0, len(pairs), _CHUNK):
            found = [await self._ports.ledger.entry(*pair) for pair in pairs[start : start + _CHUNK]]
            transitions = [
                Transition(one.event, one.delivery, State.withdrawn, Reason.by_operator, now)
                for one in found
                if one and one.state in _STOPPABLE
            ]
            results = await self._ports.ledger.transition(transitions) if transitions else []
            made = [
                transition for transition, result in zip(transitions, results, strict=True) if result.applied
            ]
            stopped += len(made)
            await self._tell(
                [known[transition.delivery] for transition in made if transition.delivery in known]
            )
        return stopped

    async def _take_out_of_history(
        self, traces: Sequence[DeliveryRef], boxes: dict[str, Sequence[InboxItem]]
    ) -> None:
        """Tell of each inbox delivery that it is withdrawn, so that no rebuild puts it back."""
        shown = {item.id for items in boxes.values() for item in items}
        await self._tell([one for one in traces if one.channel == "inbox" or one.delivery in shown])

    async def _tell(self, traces: Sequence[DeliveryRef]) -> None:
        now, topics = self._ports.clock.now_ms(), self._ports.topics
        for start in range(0, len(traces), _CHUNK):
            outcomes = (
                Outcome(state=State.withdrawn, at_ms=now, reason=Reason.by_operator, **one._asdict())
                for one in traces[start : start + _CHUNK]
            )
            await self._ports.publisher.publish([message_of(topics, outcome) for outcome in outcomes])


async def _unsubscribes(person: DataSubject, ports: PrivacyPorts) -> list[dict[str, Any]]:
    """They are known by hashes only, so each one that there could be is looked up."""
    names = [("", name) for name in sorted(person.ids)] + [(c.account, c.uuid) for c in person.contacts]
    keys = [unsubscribe_key(account, name, type_name) for account, name in names for type_name in ports.types]
    rows = [await ports.tables.unsubscribed(key) for key in keys]
    return [row.model_dump(mode="json") for row in rows if row]


async def _pairs(
    person: DataSubject, traces: Iterable[DeliveryRef], ports: PrivacyPorts
) -> list[tuple[str, str]]:
    """(event, delivery) of all that is known, from the ledger's index and from Kafka."""
    pairs = dict.fromkeys((trace.event, trace.delivery) for trace in traces)
    for name in sorted(person.ids):
        pairs |= dict.fromkeys(await ports.personal.deliveries(name))
    return list(pairs)


def _without(person: DataSubject, listed: Sequence[str]) -> tuple[str, ...]:
    return tuple(address for address in listed if address.lower() not in person.addresses)
