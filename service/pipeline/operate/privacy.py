"""Privacy: export all data kept of a data subject, or erase it as far as Kafka's retention allows (docs/adr/0006)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import orjson

from service.model.address import mailbox
from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.ledger import State, Transition, sources_of
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.recipient import Group
from service.model.topics import TopicNames
from service.pipeline.messages import message_of
from service.pipeline.operate.data_subject import DataSubject, DeliveryRef
from service.pipeline.tables.writer import TableWriter
from service.ports import Clock, DueSet, Inbox, InboxItem, Ledger, PersonalData, Publisher, Tables

_CHUNK = 200
_WITHDRAWABLE = sources_of(State.withdrawn)


@dataclass(frozen=True, slots=True)
class PrivacyPorts:
    """The ports that export and erase use. `types`: the names of all notification types."""

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


async def export(subject: DataSubject, refs: Iterable[DeliveryRef], ports: PrivacyPorts) -> dict[str, Any]:
    """Return all data but the records in Kafka, as JSON can hold it. Raise Unavailable."""
    pairs = await _pairs(subject, refs, ports)
    entries = [await ports.ledger.entry(event, delivery) for event, delivery in pairs]
    times = await ports.due.times([delivery for _, delivery in pairs])
    suppressions = {a: await ports.tables.suppression(a) for a in sorted(subject.addresses)}
    return {
        "ids": sorted(subject.ids),
        "addresses": sorted(subject.addresses),
        "recipients": [row.model_dump(mode="json") for row in subject.recipients],
        "contacts": [row.model_dump(mode="json") for row in subject.contacts],
        "groups": [
            {
                "external_id": group.external_id,
                "project_id": group.project_id,
                "types": sorted(
                    t for t, listed in group.addresses.items() if _without(subject, listed) != listed
                ),
            }
            for group in subject.groups
        ],
        "suppressions": {address: row for address, row in suppressions.items() if row},
        "unsubscribes": await _unsubscribes(subject, ports),
        "inbox": [item for name in sorted(subject.ids) for item in await ports.personal.entries(name)],
        "ledger": [entry for entry in entries if entry],
        "due": {delivery: at for (_, delivery), at in zip(pairs, times, strict=True) if at is not None},
        "digests": {
            digest: [orjson.loads(item.to_bytes()) for item in items]
            for name in sorted(subject.ids)
            for digest, items in (await ports.personal.digests(name)).items()
        },
        "mails": {
            delivery: at_ms
            for name in sorted(subject.ids)
            for delivery, at_ms in (await ports.personal.mails(name)).items()
        },
    }


class Eraser:
    """Eraser of a data subject. Every step can be repeated: an erasure that was cut off is run again.

    Suppressions stay, as hashes: an address that was suppressed must not be mailed again because its row is gone.
    """

    def __init__(self, ports: PrivacyPorts) -> None:
        self._ports = ports

    async def __call__(self, subject: DataSubject, refs: Sequence[DeliveryRef]) -> Counter[str]:
        """Erase the subject: rows, then pending deliveries, then history; return the counts. Raise Unavailable."""
        # Rows first: otherwise resolve makes new deliveries from them after the steps below.
        counts = await self._delete_rows(subject)
        pairs = await _pairs(subject, refs, self._ports)
        inboxes = {name: await self._ports.personal.entries(name) for name in sorted(subject.ids)}
        # Pending deliveries before history: otherwise one that is delivered later puts an inbox entry, or a relay's
        # reply that quotes the address, behind the erasure.
        counts["stopped"] = await self._withdraw(pairs, refs)
        await self._ports.due.drop([delivery for _, delivery in pairs])
        for name, items in inboxes.items():
            counts["inbox"] += await self._ports.inbox.remove(name, [item.id for item in items])
        await self._publish_inbox_withdrawals(refs, inboxes)
        counts["ledger"] = await self._ports.personal.anonymise(pairs, f"erased-{token_hex(6)}")
        # The index last: a repeated erasure finds the remaining deliveries through it.
        for name in subject.ids:
            await self._ports.personal.forget(name)
        return +counts

    async def _delete_rows(self, subject: DataSubject) -> Counter[str]:
        writer, counts = self._ports.writer, Counter[str]()
        for recipient in subject.recipients:
            counts["recipients"] += await writer.drop_recipient(recipient.id)
        for contact in subject.contacts:
            counts["contacts"] += await writer.drop_contact(contact.account, contact.uuid)
        for group in subject.groups:

            def without(row: Group) -> Group:
                kept = {name: _without(subject, listed) for name, listed in row.addresses.items()}
                return row.model_copy(update={"addresses": kept})

            await writer.group(group.external_id, group.project_id, without)
            counts["groups"] += 1
        return counts

    async def _withdraw(self, pairs: Sequence[tuple[str, str]], refs: Sequence[DeliveryRef]) -> int:
        """Withdraw the pending deliveries and publish the outcomes; return how many there were."""
        known = {ref.delivery: ref for ref in refs}
        now, withdrawn = self._ports.clock.now_ms(), 0
        for start in range(0, len(pairs), _CHUNK):
            entries = [await self._ports.ledger.entry(*pair) for pair in pairs[start : start + _CHUNK]]
            transitions = [
                Transition(entry.event, entry.delivery, State.withdrawn, Reason.by_operator, now)
                for entry in entries
                if entry and entry.state in _WITHDRAWABLE
            ]
            # Ledger before publish: a delivery that was sent meanwhile must not be published as withdrawn.
            results = await self._ports.ledger.transition(transitions) if transitions else []
            applied = [
                transition for transition, result in zip(transitions, results, strict=True) if result.applied
            ]
            withdrawn += len(applied)
            await self._publish_withdrawn(
                [known[transition.delivery] for transition in applied if transition.delivery in known]
            )
        return withdrawn

    async def _publish_inbox_withdrawals(
        self, refs: Sequence[DeliveryRef], inboxes: dict[str, Sequence[InboxItem]]
    ) -> None:
        """Publish `withdrawn` for every inbox delivery, so that a rebuild does not put its entry back."""
        shown = {item.id for items in inboxes.values() for item in items}
        await self._publish_withdrawn(
            [ref for ref in refs if ref.channel == "inbox" or ref.delivery in shown]
        )

    async def _publish_withdrawn(self, refs: Sequence[DeliveryRef]) -> None:
        now, topics = self._ports.clock.now_ms(), self._ports.topics
        for start in range(0, len(refs), _CHUNK):
            outcomes = (
                Outcome(state=State.withdrawn, at_ms=now, reason=Reason.by_operator, **ref._asdict())
                for ref in refs[start : start + _CHUNK]
            )
            await self._ports.publisher.publish([message_of(topics, outcome) for outcome in outcomes])


async def _unsubscribes(subject: DataSubject, ports: PrivacyPorts) -> list[dict[str, Any]]:
    """Return the subject's unsubscribes. They are stored by hash only, so every possible key is looked up."""
    names = [("", name) for name in sorted(subject.ids)] + [(c.account, c.uuid) for c in subject.contacts]
    keys = [unsubscribe_key(account, name, type_name) for account, name in names for type_name in ports.types]
    rows = [await ports.tables.unsubscribed(key) for key in keys]
    return [row.model_dump(mode="json") for row in rows if row]


async def _pairs(
    subject: DataSubject, refs: Iterable[DeliveryRef], ports: PrivacyPorts
) -> list[tuple[str, str]]:
    """Return (event, delivery) of all known deliveries, from Kafka and from the ledger's index."""
    pairs = dict.fromkeys((ref.event, ref.delivery) for ref in refs)
    for name in sorted(subject.ids):
        pairs |= dict.fromkeys(await ports.personal.deliveries(name))
    return list(pairs)


def _without(subject: DataSubject, listed: Sequence[str]) -> tuple[str, ...]:
    """Return a group's list without the subject's addresses."""
    return tuple(address for address in listed if mailbox(address) not in subject.addresses)
