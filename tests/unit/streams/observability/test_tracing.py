"""Spans around stages: parents, attempts, and what a deferred delivery keeps of its trace."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import orjson
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.adapters.tracing import OtelTracer, tracing
from service.model.catalogue import AudienceRule, Lane
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Done, Handler, Message, Record
from service.model.topics import TopicNames
from service.observability.metrics import EVENT_TO_FINAL, exposition
from service.pipeline.messages import dispatch_message, message_of
from service.settings import OtelSettings
from streams.observability.tracing import DeliveryTracer, ResolveTracer

TOPICS = TopicNames()
TRACE = "0af7651916cd43dd8448eb211c80319c"
EVENT = event_key("/s", "1")
ID = delivery_id(EVENT, "alice", "email")


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """What was exported."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> OtelTracer:
    """Traces into memory."""
    return OtelTracer(SimpleSpanProcessor(spans), "test")


def handler(*messages: Message) -> Handler:
    """A stage that says this of every batch."""

    async def handle(records: Sequence[Record]) -> AsyncIterator[Done]:
        yield Done(records, messages)

    return handle


def run(stage: Handler, value: bytes, *headers: tuple[str, bytes]) -> list[Message]:
    """One batch of one record; the record must come out as it went in."""
    record = Record("t", 0, 7, 1, b"k", value, headers)

    async def go() -> list[Message]:
        done = [d async for d in stage([record])]
        assert [r for d in done for r in d.records] == [record]
        return [m for d in done for m in d.messages]

    return asyncio.run(go())


def outcome(state: State, **fields: str) -> Message:
    """As a stage tells it."""
    made = Outcome(ID, EVENT, "overbid", "alice", "email", state, 1, event_id="1", source="/s", **fields)  # type: ignore[arg-type]
    return message_of(TOPICS, made)


DELIVERY = dispatch_message(
    TOPICS,
    Delivery(
        id=ID, event=EVENT, event_id="1", source="/s", type="overbid", channel=Channel.email, recipient="alice",
        rule=AudienceRule.users, created_ms=1, received_ms=1, deadline_ms=2, lane=Lane.high,
    ),
)  # fmt: skip


@pytest.mark.parametrize("sampled", ["01", "00"])
def test_the_trace_goes_on_in_header_and_delivery(
    tracer: OtelTracer, spans: InMemorySpanExporter, sampled: str
) -> None:
    """Both name the span of resolve, in the upstream's trace; one that is not sampled is handed on and not kept."""
    upstream = f"00-{TRACE}-b7ad6b7169203331-{sampled}"
    resolve = ResolveTracer(handler(DELIVERY, outcome(State.queued)), tracer, TOPICS)
    delivery, queued = run(resolve, b'{"id":"1","source":"/s"}', ("traceparent", upstream.encode()))

    (trace,) = [value.decode() for name, value in delivery.headers if name == "traceparent"]
    assert orjson.loads(delivery.value or b"")["traceparent"] == trace
    assert trace.split("-")[1] == TRACE
    assert trace.split("-")[2] != upstream.split("-")[2]
    assert queued == outcome(State.queued)
    assert len(spans.get_finished_spans()) == (sampled == "01")


def test_every_attempt_is_a_child_of_resolve(tracer: OtelTracer, spans: InMemorySpanExporter) -> None:
    """Also after a wait in the due set, which keeps no Kafka header."""
    resolve = ResolveTracer(handler(DELIVERY), tracer, TOPICS)
    (delivery,) = run(resolve, b'{"id":"1","source":"/s"}')
    for state, reply in ((State.deferred, "451 4.7.1 later"), (State.sent, "250 2.0.0 ok")):
        run(
            DeliveryTracer("email.high", handler(outcome(state, reply=reply)), tracer),
            delivery.value or b"",
        )

    parent, first, second = spans.get_finished_spans()
    assert {first.parent.span_id, second.parent.span_id} == {parent.context.span_id}  # type: ignore[union-attr]
    assert {s.context.trace_id for s in (parent, first, second)} == {parent.context.trace_id}
    codes = [(s.attributes or {})["smtp.reply_code"] for s in (first, second)]
    assert codes == [451, 250]


def test_a_malformed_traceparent_begins_a_trace(tracer: OtelTracer, spans: InMemorySpanExporter) -> None:
    """An upstream's mistake stops nothing."""
    run(ResolveTracer(handler(DELIVERY), tracer, TOPICS), b'{"id":"1","source":"/s","traceparent":"00-zz"}')
    (span,) = spans.get_finished_spans()
    assert span.parent is None


def test_off_without_an_endpoint() -> None:
    """There is nothing to call then."""
    assert tracing(OtelSettings()) is None


@pytest.mark.parametrize("sampled", ["00", "01"])
def test_a_kept_trace_is_an_exemplar_of_its_delivery(tracer: OtelTracer, sampled: str) -> None:
    """The bucket of the delivery's time leads to its trace, in OpenMetrics; of a trace that is not kept, to none."""
    trace = TRACE[:-1] + sampled[-1]
    made = Outcome(ID, EVENT, "overbid", "alice", "email", State.sent, 9_000, event_id="1", received_ms=2_000)
    record = orjson.dumps(
        {"id": ID, "event_id": "1", "source": "/s", "traceparent": f"00-{trace}-b7ad6b7169203331-{sampled}"}
    )
    EVENT_TO_FINAL.observe(("email",), 7.0)
    run(DeliveryTracer("email.high", handler(message_of(TOPICS, made)), tracer), record)

    text, content_type = exposition(accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.3")
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    exemplars = [
        (sample.labels["le"], sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for sample in families["tocsin_event_to_final_seconds"].samples
        if sample.exemplar and sample.exemplar.labels["trace_id"] == trace
    ]
    assert exemplars == ([("10", trace, 7.0)] if sampled == "01" else [])
    assert "trace_id" not in exposition()[0].decode()
