"""Spans around stages, in the upstream's trace: one an event in resolve, one an attempt to deliver.

The trace continues through Kafka in the header `traceparent`, and in the delivery itself, because a deferred delivery
waits in Redis, which keeps no Kafka header.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.ids import event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Done, Handler, Headers, Message, Record
from service.model.topics import TopicNames
from service.ports import Tracer
from service.ports.turns import Turns
from streams.kafka.record_ids import RecordIds, record_ids
from streams.observability.counters import add_exemplar
from streams.worker.stages import StageSpec

_FAILED = frozenset({State.bounced, State.dead, State.ambiguous})


def with_tracing(spec: StageSpec, tracer: Tracer, topics: TopicNames) -> StageSpec:
    """Return the stage with spans around its handler; a stage without events or deliveries is returned unchanged."""
    stage = spec.name.partition(".")[0]
    if stage == "resolve":
        return replace(spec, handler=lambda: ResolveTracer(spec.handler(), tracer, topics))
    if not topics.dispatches().isdisjoint(spec.topics):
        return replace(spec, handler=lambda: DeliveryTracer(spec.name, spec.handler(), tracer))
    return spec


class ResolveTracer:
    """The handler of resolve with a span `resolve` for each event: the parent of the spans of its deliveries."""

    def __init__(self, handler: Handler, tracer: Tracer, topics: TopicNames) -> None:
        self._handler = handler
        self._tracer = tracer
        self._topics = topics

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Run the handler; add the trace to the deliveries it dispatches."""
        spans = _EventSpans(self._tracer, self._topics, await _ids_of(records))
        async for done in self._handler(records):
            yield Done(done.records, [spans.traced(message) for message in done.messages])


class _EventSpans:
    """The spans of the events of one batch. A span ends when the first message of its event is made."""

    def __init__(self, tracer: Tracer, topics: TopicNames, events: Sequence[RecordIds]) -> None:
        self._tracer = tracer
        self._topics = topics
        self._started_ns = time.time_ns()
        self._parents = {event_key(ids.source, ids.event_id): ids.traceparent for ids in events}
        self._spans: dict[str, str] = {}

    def traced(self, message: Message) -> Message:
        """Return the message, with the trace where it is a delivery."""
        if message.topic == self._topics.dead_letter:
            self._refused(message)
        if message.about is None:
            return message
        traceparent = self._span(message.about)
        if not isinstance(message.about, Delivery) or not traceparent:
            return message
        delivery = message.about.replace(traceparent=traceparent)
        headers = _with_trace(message.headers, traceparent)
        return message._replace(value=delivery.to_bytes(), headers=headers, about=delivery)

    def _span(self, about: Outcome | Delivery) -> str:
        if about.event not in self._spans:
            attributes = _event_attributes(about) | {"messaging.system": "kafka"}
            parent = self._parents.get(about.event, "")
            self._spans[about.event] = self._tracer.span("resolve", parent, self._started_ns, attributes)
        return self._spans[about.event]

    def _refused(self, message: Message) -> None:
        ids = record_ids(message.value, message.headers)
        reason = (dict(message.headers).get("tocsin-reason") or b"").decode()
        attributes = {"tocsin.event_id": ids.event_id, "tocsin.reason": reason}
        self._tracer.span("resolve", ids.traceparent, self._started_ns, attributes, failed=True)


class DeliveryTracer:
    """The handler of a channel with a span for each attempt: its state, its reason, and the relay's reply."""

    def __init__(self, stage: str, handler: Handler, tracer: Tracer) -> None:
        self._stage = stage
        self._handler = handler
        self._tracer = tracer

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """Run the handler; record a span for each outcome of a delivery of this batch."""
        started_ns = time.time_ns()
        parents = {ids.delivery: ids.traceparent for ids in await _ids_of(records)}
        async for done in self._handler(records):
            for message in done.messages:
                outcome = message.about
                if isinstance(outcome, Outcome) and outcome.delivery in parents:
                    self._attempt(outcome, parents[outcome.delivery], started_ns)
            yield done

    def _attempt(self, outcome: Outcome, parent: str, started_ns: int) -> None:
        attributes = _event_attributes(outcome) | {
            "tocsin.delivery": outcome.delivery,
            "tocsin.channel": outcome.channel,
            "tocsin.stage": self._stage,
            "tocsin.state": outcome.state.value,
        }
        for name in ("reason", "attempt", "relay"):
            if value := getattr(outcome, name):
                attributes[f"tocsin.{name}"] = value
        if (code := outcome.reply[:3]).isdigit():
            attributes["smtp.reply_code"] = int(code)
        kind: Any = "client" if CHANNELS[Channel(outcome.channel)].retried else "consumer"
        name, failed = f"deliver {outcome.channel}", outcome.state in _FAILED
        traceparent = self._tracer.span(name, parent, started_ns, attributes, kind=kind, failed=failed)
        add_exemplar(outcome, traceparent)


async def _ids_of(records: Sequence[Record]) -> list[RecordIds]:
    """Return the ids in records, and let other tasks run meanwhile: each is parsed once more."""
    turns, found = Turns(), list[RecordIds]()
    for record in records:
        await turns.worked(len(record.value or b""))
        found.append(record_ids(record.value, record.headers))
    return found


def _event_attributes(about: Outcome | Delivery) -> dict[str, str | int]:
    """Return the attributes that name an event; never the recipient, whose id may be an address."""
    return {"tocsin.event_id": about.event_id, "tocsin.event": about.event, "tocsin.type": about.type}


def _with_trace(headers: Headers, traceparent: str) -> Headers:
    return (*(h for h in headers if h[0] != "traceparent"), ("traceparent", traceparent.encode()))
