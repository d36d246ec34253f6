"""A person's requests: export everything that is kept of them, or erase it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.model.record import Record
from service.pipeline.operate.data_subject import NAMED, DataSubject, DeliveryRef, SubjectFinder
from service.pipeline.operate.privacy import Eraser, PrivacyPorts, export
from service.ports import RecordLog, Unavailable


@dataclass(frozen=True, slots=True)
class FoundSubject:
    """A person, the records in Kafka that are about them, and the deliveries in these records, each once."""

    subject: DataSubject
    records: Sequence[Record]
    refs: Sequence[DeliveryRef]


class DataRequests:
    """Finder, exporter and eraser of a person's data. Every method raises Unavailable."""

    def __init__(self, ports: PrivacyPorts, log: RecordLog) -> None:
        self._ports = ports
        self._log = log

    async def find(self, recipient: str = "", address: str = "") -> FoundSubject:
        """Return the person with this recipient id, or those with this address. Reads the tables' topics whole."""
        if reason := await self._ports.tables.incomplete():
            raise Unavailable(reason)
        topics = self._ports.topics
        finder = SubjectFinder(topics, recipient=recipient, address=address)
        async for record in self._log.since([topics.table(name) for name in NAMED]):
            finder.read(record)
        subject = finder.subject()
        keys = {id_.encode() for id_ in subject.ids}
        names = [*sorted(topics.dispatches()), topics.outcomes, topics.dead_letter]
        records = [record async for record in self._log.since(names) if record.key in keys]
        found = (DeliveryRef.from_record(record, topics) for record in records)
        refs = {ref.delivery: ref for ref in found if ref is not None}
        return FoundSubject(subject, records, list(refs.values()))

    async def export(self, found: FoundSubject) -> dict[str, Any]:
        """Return all data but the records in Kafka, as JSON can hold it."""
        return await export(found.subject, found.refs, self._ports)

    async def erase(self, found: FoundSubject) -> Counter[str]:
        """Erase the person's data; return the counts."""
        return await Eraser(self._ports)(found.subject, found.refs)


def item_counts(document: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of items of each kind; ids and addresses, which the search used, are not counted."""
    counts = Counter(
        {name: len(items) for name, items in document.items() if name not in ("ids", "addresses")}
    )
    return dict(+counts)
