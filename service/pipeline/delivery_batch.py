"""Decoding of dispatch records into deliveries."""

from collections.abc import Iterable, Sequence
from typing import Self

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.event import InvalidEvent
from service.model.ledger import State, Transition, is_open
from service.model.reasons import DeadReason, Reason
from service.model.record import Done, Message, Record
from service.model.topics import TopicNames
from service.pipeline.messages import dead_letter, outcome_message
from service.ports import Ledger
from service.ports.turns import Turns

_MAY_END = frozenset({State.queued, State.deferred, State.held, State.ambiguous, State.dead})


class DeliveryBatch:
    """The deliveries of a batch, each once, with its records. Records that cannot be decoded are dead letters.

    A record that is read again may be in one batch with that of the next attempt. The later attempt is kept, since the
    earlier one has been made; of one attempt the later record, which has the time that an operator has set.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.refused = Done([])
        self._undeclared: list[tuple[Record, Delivery]] = []

    @classmethod
    async def read(
        cls, records: Sequence[Record], catalogue: Catalogue, dead_letter_topic: str, stage: str
    ) -> Self:
        """Return the deliveries of these records; `end_undeclared` ends those of types that are not declared."""
        batch, turns = cls(), Turns()
        refused: list[Record] = []
        dead_letters: list[Message] = []
        for record in records:
            await turns.worked(len(record.value or b""))
            try:
                delivery = Delivery.from_bytes(record.value)
            except ValueError as error:
                reason = InvalidEvent(DeadReason.invalid_data, str(error))
            else:
                if catalogue.of_delivery(delivery.type) is None:
                    batch._undeclared.append((record, delivery))
                    continue
                if delivery.attempt >= batch.deliveries.setdefault(delivery.id, delivery).attempt:
                    batch.deliveries[delivery.id] = delivery
                batch.records.setdefault(delivery.id, []).append(record)
                continue
            refused.append(record)
            dead_letters.append(dead_letter(dead_letter_topic, stage, record, reason))
        batch.refused = Done(refused, dead_letters)
        return batch

    async def end_undeclared(
        self, ledger: Ledger, topics: TopicNames, stage: str, now_ms: int
    ) -> list[Delivery]:
        """End deliveries of types that are not declared as `dead`, each with a dead letter. Return them.

        A dead letter can be redriven when the type is declared again. One that has ended before needs none. One that
        another worker is sending has its dead letter, and the ledger is left to that worker. Raise Unavailable.
        """
        if not self._undeclared:
            return []
        by_id = {delivery.id: delivery for _, delivery in self._undeclared}
        current = await ledger.current([(one.event, one.id) for one in by_id.values()])
        states = {id_: now.state for id_, now in zip(by_id, current, strict=True)}
        waiting = [one for id_, one in by_id.items() if states[id_] in _MAY_END]
        moves = [
            Transition(one.event, one.id, State.dead, Reason.type_removed, now_ms, one.attempt, one.type)
            for one in waiting
        ]
        if moves:
            # Before the messages: a redrive looks at the state in the ledger first.
            await ledger.transition(moves)
        messages = [outcome_message(topics, one, move) for one, move in zip(waiting, moves, strict=True)]
        for record, one in self._undeclared:
            state = states[one.id]
            if state is None or is_open(state) or state is State.dead:
                unknown = InvalidEvent(DeadReason.unknown_type, ascii(one.type[:128]))
                messages.append(dead_letter(topics.dead_letter, stage, record, unknown))
        records = [record for record, _ in self._undeclared]
        self.refused = Done([*self.refused.records, *records], [*self.refused.messages, *messages])
        return waiting

    def records_of(self, delivery_ids: Iterable[str]) -> list[Record]:
        """Return all records of these deliveries."""
        return [record for delivery_id in delivery_ids for record in self.records[delivery_id]]
