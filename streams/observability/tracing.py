"""Puts spans around stages: one for each event in resolve, one for each attempt to deliver, in the upstream's trace.

The trace goes on through Kafka in the header `traceparent` and, because a deferred delivery waits in Redis, in the
delivery itself.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from service.adapters.tracing import Tracer
from service.model.ids import event_key
from service.model.record import Done, Handler, Headers, Message, Record
from service.model.topics import TopicNames
from streams.kafka.record_ids import record_ids
from streams.worker.stages import StageSpec

_CHANNELS = ("inbox", "email")


def with_tracing(spec: StageSpec, tracing: Tracer, topics: TopicNames) -> StageSpec:
    """The stage with spans; what handles no events or deliveries stays as it is."""
    kind = spec.name.partition(".")[0]
    if kind == "resolve":
        return replace(spec, handler=lambda: ResolveTracer(spec.handler(), tracing, topics))
    if kind in _CHANNELS:
        return replace(spec, handler=lambda: DeliveryTracer(spec.name, spec.handler(), tracing, topics))
    return spec


class ResolveTracer:
    """The resolve stage: a span `resolve` for each event, which the spans of its deliveries have as their parent."""

    def __init__(self, handler: Handler, tracing: Tracer, topics: TopicNames) -> None:
        self._handler = handler
        self._tracing = tracing
        self._topics = topics

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """As the stage itself, with the trace in what it hands on."""
        batch = _Events(self._tracing, self._topics, records)
        async for done in self._handler(records):
            yield Done(done.records, [batch.passed(message) for message in done.messages])


class _Events:
    """The events of one batch. A span's end is when its event's first messages are there."""

    def __init__(self, tracing: Tracer, topics: TopicNames, records: Sequence[Record]) -> None:
        self._tracing = tracing
        self._topics = topics
        self._started = time.time_ns()
        self._parents = {}
        self._spans: dict[str, str] = {}
        for record in records:
            found = record_ids(record.value, record.headers)
            self._parents[event_key(found.source, found.event_id)] = found.traceparent

    def passed(self, message: Message) -> Message:
        """The message, with the trace where it is a delivery."""
        if message.topic == self._topics.dead_letter:
            self._refused(message)
            return message
        fields = _loads(message)
        if (event := fields.get("event")) is None or "channel" not in fields:
            return message
        parent = self._span(event, fields)
        if message.topic == self._topics.outcomes or not parent:
            return message
        value = orjson.dumps({**fields, "traceparent": parent})
        return message._replace(value=value, headers=_with_trace(message.headers, parent))

    def _span(self, event: str, fields: dict[str, Any]) -> str:
        if event not in self._spans:
            attributes = _about(fields) | {"messaging.system": "kafka"}
            del attributes["tocsin.delivery"], attributes["tocsin.channel"]
            self._spans[event] = self._tracing.span(
                "resolve", self._parents.get(event, ""), self._started, attributes
            )
        return self._spans[event]

    def _refused(self, message: Message) -> None:
        found = record_ids(message.value, message.headers)
        reason = dict(message.headers).get("tocsin-reason", b"").decode()
        attributes = {"tocsin.event_id": found.event_id, "tocsin.reason": reason}
        self._tracing.span("resolve", found.traceparent, self._started, attributes, failed=True)


class DeliveryTracer:
    """A channel's stage: a span for each attempt at a delivery, with what it came to and what the relay said."""

    def __init__(self, stage: str, handler: Handler, tracing: Tracer, topics: TopicNames) -> None:
        self._stage = stage
        self._handler = handler
        self._tracing = tracing
        self._outcomes = topics.outcomes

    async def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        """As the stage itself."""
        started = time.time_ns()
        parents: dict[str, str] = {}
        for record in records:
            found = record_ids(record.value, record.headers)
            parents[found.delivery] = found.traceparent
        async for done in self._handler(records):
            for message in done.messages:
                if message.topic == self._outcomes and (told := _loads(message)).get("delivery") in parents:
                    self._attempt(told, parents[told["delivery"]], started)
            yield done

    def _attempt(self, told: dict[str, Any], parent: str, started_ns: int) -> None:
        attributes = _about(told) | {"tocsin.stage": self._stage, "tocsin.state": told["state"]}
        for name in ("reason", "attempt", "relay"):
            if told.get(name):
                attributes[f"tocsin.{name}"] = told[name]
        if (code := told.get("reply", "")[:3]).isdigit():
            attributes["smtp.reply_code"] = int(code)
        failed = told["state"] in ("bounced", "dead", "ambiguous")
        kind: Any = "client" if told["channel"] == "email" else "consumer"
        name = f"deliver {told['channel']}"
        self._tracing.span(name, parent, started_ns, attributes, kind=kind, failed=failed)


def _about(fields: dict[str, Any]) -> dict[str, str | int]:
    """What names a delivery; never the recipient, whose id may be an address."""
    return {
        "tocsin.event_id": fields.get("event_id", ""),
        "tocsin.event": fields.get("event", ""),
        "tocsin.type": fields.get("type", ""),
        "tocsin.delivery": fields.get("delivery") or fields.get("id", ""),
        "tocsin.channel": fields.get("channel", ""),
    }


def _with_trace(headers: Headers, traceparent: str) -> Headers:
    return (*(h for h in headers if h[0] != "traceparent"), ("traceparent", traceparent.encode()))


def _loads(message: Message) -> dict[str, Any]:
    fields = orjson.loads(message.value or b"null")
    return fields if isinstance(fields, dict) else {}
