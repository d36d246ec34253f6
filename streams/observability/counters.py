"""Counters of what the stages wrote, taken where Kafka has acknowledged it: at the producer."""

from collections.abc import Sequence
from itertools import product
from logging import DEBUG, getLogger

import structlog

from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import DeadReason, Reason
from service.model.record import Message
from service.model.topics import TopicNames
from service.observability.log_limit import LogLimit
from service.observability.metrics import DEAD_LETTERS, EVENT_TO_FINAL, OUTCOMES, SMTP_REPLIES
from streams.kafka.record_ids import RecordIds, record_ids

log = structlog.get_logger(__name__)

_FINAL = frozenset({"sent", "delivered"})
_CLASS = {"2": "2xx", "4": "4xx", "5": "5xx"}


def add_exemplar(outcome: Outcome, traceparent: str) -> None:
    """Let the histogram of delivery times lead to the trace of this delivery, if it was delivered."""
    if traceparent and outcome.state in _FINAL and outcome.received_ms:
        EVENT_TO_FINAL.exemplify((outcome.channel,), _event_to_final_s(outcome), traceparent)


def _event_to_final_s(outcome: Outcome) -> float:
    return max(outcome.at_ms - outcome.received_ms, 0) / 1000


class MessageCounters:
    """Counts acknowledged messages by the objects they carry.

    An outcome that is emitted again after a crash is counted again: the ledger is the exact count.
    """

    def __init__(self, topics: TopicNames, stages: Sequence[str] = ()) -> None:
        for labels in product(stages, DeadReason):
            DEAD_LETTERS.add(labels, 0)  # so that Prometheus sees the first one as an increase
        self._dead_letter = topics.dead_letter
        self._letter_lines = LogLimit()
        self._log_outcomes = getLogger(__name__).isEnabledFor(DEBUG)

    def __call__(self, messages: Sequence[Message]) -> None:
        """Count the outcomes, first dispatches and dead letters among acknowledged messages."""
        for message in messages:
            if isinstance(message.about, Outcome):
                self._count_outcome(message.about)
            elif isinstance(message.about, Delivery):
                self._count_dispatch(message.about)
            elif message.topic == self._dead_letter:
                self._count_dead_letter(message)

    def _count_outcome(self, outcome: Outcome) -> None:
        OUTCOMES.add((outcome.state, outcome.channel, outcome.type, outcome.reason))
        if outcome.state in _FINAL and outcome.received_ms:
            EVENT_TO_FINAL.observe((outcome.channel,), _event_to_final_s(outcome))
        if outcome.reply:
            SMTP_REPLIES.add((outcome.relay, _CLASS.get(outcome.reply[0], "other")))
        if self._log_outcomes:
            ids = RecordIds(outcome.event_id, outcome.source, outcome.delivery, outcome.recipient)
            log.debug("outcome", state=outcome.state.value, reason=outcome.reason.value, **ids.log_fields())

    def _count_dispatch(self, delivery: Delivery) -> None:
        """Count a delivery that resolve has queued: its dispatch record is the only record of that."""
        if not (delivery.attempt or delivery.replayed_ms):
            OUTCOMES.add((State.queued, delivery.channel, delivery.type, Reason.none))

    def _count_dead_letter(self, message: Message) -> None:
        headers = dict(message.headers)
        names = ("stage", "reason", "topic", "partition", "offset")
        stage, reason, topic, partition, offset = (
            (headers.get(f"tocsin-{one}") or b"").decode() for one in names
        )
        DEAD_LETTERS.add((stage, reason))
        if (repeats := self._letter_lines.admit((stage, reason))) is not None:
            ids = record_ids(message.value, message.headers).log_fields()
            position = {"topic": topic, "partition": int(partition or 0), "offset": int(offset or 0)}
            log.info("dead_letter_written", stage=stage, reason=reason, **position, **ids, **repeats)
