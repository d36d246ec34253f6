"""Redrive: write dead letters back to the topics they came from, once the cause is fixed; or discard them."""

from collections import Counter
from collections.abc import Sequence

from service.model.dead_letter import DeadLetter
from service.model.delivery import Delivery
from service.model.ledger import ReplayKind, State, Transition, is_open
from service.model.operation import OperationPhase
from service.model.reasons import Reason
from service.model.topics import TopicNames
from service.pipeline.messages import outcome_message
from service.pipeline.operate.audit_log import OperationLog
from service.ports import Clock, Ledger, Publisher

CHUNK = 100
REDRIVEN = "redriven"


class Redriver:
    """Publisher of the original records, byte for byte.

    A repeated redrive does no harm: events and deliveries meet the ledger entries that they made before.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher, topics: TopicNames, clock: Clock) -> None:
        self._ledger = ledger
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
            transitions = self._transitions(part, operation_log)
            # Ledger before topic: the stage skips a delivery whose ledger state is still `dead`.
            refused = await self._apply(transitions)
            ready = [dead_letter for dead_letter in part if dead_letter.id not in refused]
            counts.update(refused.values())
            await self._publisher.publish([dead_letter.original() for dead_letter in ready])
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

    def _transitions(
        self, dead_letters: Sequence[DeadLetter], operation_log: OperationLog
    ) -> dict[str, tuple[Delivery, Transition]]:
        """Return the transition out of `dead` for each dead letter that is a delivery, by its id."""
        now, transitions = self._clock.now_ms(), dict[str, tuple[Delivery, Transition]]()
        for dead_letter in dead_letters:
            if dead_letter.topic not in self._dispatch_topics:
                continue
            try:
                delivery = Delivery.from_bytes(dead_letter.record.value)
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
            transitions[dead_letter.id] = (delivery, transition)
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


async def discard(dead_letters: Sequence[DeadLetter], operation_log: OperationLog) -> None:
    """Close dead letters without redriving; they stay readable until their topic's retention is over."""
    for start in range(0, len(dead_letters), CHUNK):
        part = dead_letters[start : start + CHUNK]
        ids = [dead_letter.id for dead_letter in part]
        await operation_log.write(OperationPhase.part, {"discarded": len(part)}, ids)
