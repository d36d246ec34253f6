"""Redrive: write dead letters back to the topics they came from, once the cause is fixed; or discard them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256

from service.model.dead_letter import DeadLetter
from service.model.delivery import Delivery
from service.model.ledger import ReplayKind, State, Transition, is_open
from service.model.operation import OperationPhase
from service.model.reasons import Reason
from service.model.record import Message, PartialValue, Record
from service.model.topics import TopicNames
from service.pipeline.messages import outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.ports import Clock, Ledger, Publisher, RecordLog

CHUNK = 100
REDRIVEN = "redriven"
_MOST_BYTES = 1_000_000
"""The largest record that topics take by default, with room for what is around it."""


class Redriver:
    """Publisher of the original records, byte for byte.

    The original of a partial dead letter is read again from where it was, while that topic still has it. A repeated
    redrive does no harm: events and deliveries meet the ledger entries that they made before.
    """

    def __init__(
        self, ledger: Ledger, publisher: Publisher, records: RecordLog, topics: TopicNames, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._dispatch_topics = topics.dispatches()

    async def __call__(self, dead_letters: Sequence[DeadLetter], operation_log: OperationLog) -> Counter[str]:
        """Redrive these; return how many, and why the others were left alone. Raise Unavailable.

        A dead letter counts as redriven once Kafka has its original; one that was cut off before that stays open.
        """
        counts: Counter[str] = Counter()
        for start in range(0, len(dead_letters), CHUNK):
            part = dead_letters[start : start + CHUNK]
            originals, refused = await self._originals(part)
            transitions = self._transitions(originals, operation_log)
            # Ledger before topic: the stage skips a delivery whose ledger state is still `dead`.
            refused |= await self._apply(transitions)
            ready = [dead_letter for dead_letter in part if dead_letter.id not in refused]
            counts.update(refused.values())
            await self._publisher.publish([originals[dead_letter.id] for dead_letter in ready])
            # Outcomes and operation log after the originals: otherwise a dead letter could be closed that was never
            # written back.
            outcomes = [
                outcome_message(self._topics, delivery, transition)
                for name, (delivery, transition) in transitions.items()
                if name not in refused
            ]
            await self._publisher.publish(outcomes)
            counts[REDRIVEN] += len(ready)
            ids = [dead_letter.id for dead_letter in ready]
            await operation_log.write(OperationPhase.part, {REDRIVEN: len(ready)}, ids)
        return counts

    async def _originals(
        self, dead_letters: Sequence[DeadLetter]
    ) -> tuple[dict[str, Message], dict[str, str]]:
        """Return the originals by the ids of their dead letters, and why some cannot be had."""
        originals = {one.id: one.original() for one in dead_letters if not one.partial}
        refused: dict[str, str] = {}
        partial = defaultdict[str, dict[tuple[int, int], list[DeadLetter]]](dict)
        for one in dead_letters:
            if one.partial:
                refused[one.id] = "no longer in its topic"
                partial[one.topic].setdefault(one.position, []).append(one)
        for topic, by_position in partial.items():
            async for record in self._records.at(topic, list(by_position)):
                for one in by_position[record.partition, record.offset]:
                    if why := _unlike(one, record):
                        refused[one.id] = why
                    else:
                        del refused[one.id]
                        originals[one.id] = Message(topic, record.key, record.value, record.headers)
        return originals, refused

    def _transitions(
        self, originals: Mapping[str, Message], operation_log: OperationLog
    ) -> dict[str, tuple[Delivery, Transition]]:
        """Return the transition out of `dead` for each dead letter that is a delivery, by its id."""
        now, transitions = self._clock.now_ms(), dict[str, tuple[Delivery, Transition]]()
        for id_, original in originals.items():
            if original.topic not in self._dispatch_topics:
                continue
            try:
                delivery = Delivery.from_bytes(original.value)
            except ValueError:
                continue  # it has no ledger entry; its stage will dead-letter it again
            transition = Transition(
                delivery.event,
                delivery.id,
                State.queued,
                Reason.replayed,
                now,
                delivery.attempt,
                f"redriven by {operation_log.operator}, {operation_log.id}",
                replay=ReplayKind.dead,
            )
            transitions[id_] = (delivery, transition)
        return transitions

    async def _apply(self, transitions: dict[str, tuple[Delivery, Transition]]) -> dict[str, str]:
        """Make the transitions; return the dead letters that must not go back, each with the reason.

        A delivery that is open needs no transition and is removed from `transitions`.
        """
        refused = {}
        results = (
            await self._ledger.transition([transition for _, transition in transitions.values()])
            if transitions
            else []
        )
        for name, result in zip(list(transitions), results, strict=True):
            if result.applied:
                continue
            if result.state is None:
                refused[name] = "not in the ledger any more"
            elif not is_open(result.state):
                refused[name] = f"{result.state} by now"
            else:
                del transitions[name]  # the ledger never had it as dead, so no outcome is needed
        return refused


def _unlike(dead_letter: DeadLetter, record: Record) -> str | None:
    """Return why a record cannot be written back as the original of a partial dead letter, or None."""
    value = record.value or b""
    if isinstance(value, PartialValue) or dead_letter.last_offset is not None:
        return "too large to be written back"
    if dead_letter.size != len(value) or dead_letter.sha256 != sha256(value).hexdigest():
        return "another record by now: its topic was recreated"
    headers = sum(len(name) + len(header or b"") for name, header in record.headers)
    if len(record.key or b"") + len(value) + headers > _MOST_BYTES:
        return "too large to be written back"
    return None


async def discard(dead_letters: Sequence[DeadLetter], operation_log: OperationLog) -> None:
    """Close dead letters without redriving; they stay readable until their topic's retention is over."""
    for start in range(0, len(dead_letters), CHUNK):
        part = dead_letters[start : start + CHUNK]
        ids = [dead_letter.id for dead_letter in part]
        await operation_log.write(OperationPhase.part, {"discarded": len(part)}, ids)
