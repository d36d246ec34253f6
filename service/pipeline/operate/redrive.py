"""Dead letters go back to where they came from, once the cause is mended; or are set aside for good."""

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
    """Publishes originals again, byte for byte.

    Doing it twice does no harm: events and deliveries meet the ledger rows that they made before.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher, topics: TopicNames, clock: Clock) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._stages = topics.dispatches()

    async def __call__(self, letters: Sequence[DeadLetter], trail: OperationLog) -> Counter[str]:
        """Redrive these; how many, and why the others were left alone. Raises Unavailable.

        A letter counts as redriven once Kafka has its original; what is cut off before that stays open.
        """
        counts: Counter[str] = Counter()
        for start in range(0, len(letters), CHUNK):
            part = letters[start : start + CHUNK]
            transitions = await self._transitions(part, trail)
            hindered = await self._transition(transitions)
            ready = [letter for letter in part if letter.id not in hindered]
            counts.update(hindered.values())
            await self._publisher.publish([letter.original() for letter in ready])
            told = [
                outcome_message(self._topics, delivery, transition)
                for name, (delivery, transition) in transitions.items()
                if name not in hindered
            ]
            await self._publisher.publish(told)
            counts[REDRIVEN] += len(ready)
            await trail.tell(OperationPhase.part, {REDRIVEN: len(ready)}, [letter.id for letter in ready])
        return counts

    async def _transitions(
        self, letters: Sequence[DeadLetter], trail: OperationLog
    ) -> dict[str, tuple[Delivery, Transition]]:
        """For each letter that is a delivery the move out of `dead`."""
        now, found = self._clock.now_ms(), dict[str, tuple[Delivery, Transition]]()
        for letter in letters:
            if letter.topic not in self._stages:
                continue
            try:
                delivery = Delivery.from_bytes(letter.record.value)
            except ValueError:
                continue  # it was no delivery before either: its stage will say so again
            found[letter.id] = (
                delivery,
                Transition(
                    delivery.event,
                    delivery.id,
                    State.queued,
                    Reason.replayed,
                    now,
                    delivery.attempt,
                    f"redriven by {trail.who}, {trail.id}",
                    replay=ReplayKind.dead,
                ),
            )
        return found

    async def _transition(self, transitions: dict[str, tuple[Delivery, Transition]]) -> dict[str, str]:
        """Make the moves; the letters that must not go back, with the reason. What is open needs no move."""
        hindered = {}
        results = (
            await self._ledger.transition([transition for _, transition in transitions.values()])
            if transitions
            else []
        )
        for name, result in zip(list(transitions), results, strict=True):
            if result.applied:
                continue
            if result.state is None:
                hindered[name] = "not in the ledger any more"
            elif not is_open(result.state):
                hindered[name] = f"stands at {result.state}"
            else:
                del transitions[name]  # nobody was told that it had died
        return hindered


async def discard(letters: Sequence[DeadLetter], trail: OperationLog) -> None:
    """Set letters aside for good; they stay readable until their topic's retention is over."""
    for start in range(0, len(letters), CHUNK):
        part = letters[start : start + CHUNK]
        await trail.tell(OperationPhase.part, {"discarded": len(part)}, [letter.id for letter in part])
