"""Counts what the stages have told, at the one place it passes when Kafka has it: the producer."""

import logging
from collections.abc import Sequence
from itertools import product

import orjson
import structlog

from service.model.reasons import DeadReason
from service.model.record import Message
from service.model.topics import TopicNames
from service.observability.metrics import DEAD_LETTERS, EVENT_TO_FINAL, OUTCOMES, SMTP_REPLIES
from streams.kafka.record_ids import log_fields

log = structlog.get_logger(__name__)

_FINAL = frozenset({"sent", "delivered"})
_CLASS = {"2": "2xx", "4": "4xx", "5": "5xx"}


class MessageCounters:
    """Reads acknowledged messages. What is told again after a crash is counted again: the ledger counts exactly."""

    def __init__(self, topics: TopicNames, stages: Sequence[str] = ()) -> None:
        for labels in product(stages, DeadReason):
            DEAD_LETTERS.add(labels, 0)  # so that Prometheus sees the first one as an increase
        self._outcomes = topics.outcomes
        self._dead_letter = topics.dead_letter
        self._each = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)

    def __call__(self, messages: Sequence[Message]) -> None:
        """Count them."""
        for topic, _, value, headers in messages:
            if topic == self._outcomes:
                self._outcome(value)
            elif topic == self._dead_letter:
                ours = dict(headers)
                stage, reason = (ours.get(f"tocsin-{name}", b"").decode() for name in ("stage", "reason"))
                DEAD_LETTERS.add((stage, reason))
                log.info("dead letter", stage=stage, reason=reason, **log_fields(value, headers))

    def _outcome(self, value: bytes | None) -> None:
        told = orjson.loads(value or b"{}")
        if (state := told.get("state")) is None:
            return  # a read mark, or an operator's note
        channel = told.get("channel", "")
        OUTCOMES.add((state, channel, told.get("type", ""), told.get("reason", "")))
        if state in _FINAL and (received := told.get("received_ms")):
            EVENT_TO_FINAL.observe((channel,), max(told["at_ms"] - received, 0) / 1000)
        if reply := told.get("reply"):
            SMTP_REPLIES.add((told.get("relay", ""), _CLASS.get(reply[0], "other")))
        if self._each:
            log.debug(state, reason=told.get("reason", ""), **log_fields(value, ()))
