"""Traces by OpenTelemetry, whose packages (the extra `otel`) are imported only when an endpoint is set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from service.model.mask import mask_value
from service.settings import OtelSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

Attributes = Mapping[str, str | int]


class TracingUnavailable(Exception):
    """A set endpoint without the packages that traces need; the text says how to install them."""


class OtelTracer:
    """Recorder of spans for work that is done.

    A `traceparent` (W3C Trace Context) refers to a span across services; "" stands for none. Its flag `sampled`, set
    upstream, decides if a trace is kept; of the traces that begin here `ratio` is the share that is kept.
    """

    def __init__(self, processor: "SpanProcessor", service: str, ratio: float = 1.0) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - needed only with an endpoint
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        resource = Resource.create({"service.name": service})
        self._provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tocsin")
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = {"consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT}
        self._error = Status(StatusCode.ERROR)

    def span(
        self,
        name: str,
        parent: str,
        start_ns: int,
        attributes: Attributes,
        *,
        kind: Literal["consumer", "client"] = "consumer",
        failed: bool = False,
    ) -> str:
        """Record a span from `start_ns` (since the epoch) to now and return its traceparent.

        A malformed parent counts as none. Anything in an attribute that looks like an address is masked, as in logs:
        upstreams choose the ids, so an id may contain one.
        """
        carrier: dict[str, str] = {"traceparent": parent} if parent else {}
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=self._kinds[kind],
            attributes={name: mask_value(value) for name, value in attributes.items()},
            start_time=start_ns,
        )
        if failed:
            span.set_status(self._error)
        span.end()
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        carrier = {}
        self._propagator.inject(carrier, context=set_span_in_context(span))
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Send the remaining spans; block for some seconds at most."""
        self._provider.shutdown()


def tracing(otel: OtelSettings) -> OtelTracer | None:
    """Return the tracer that `otel` configures, or None without an endpoint.

    Raise TracingUnavailable when the extra `otel` is not installed.
    """
    if not otel.endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracingUnavailable(
            "TOCSIN_OTEL__ENDPOINT needs the extra: pip install 'tocsin[otel]'"
        ) from error
    headers = {name: value.get_secret_value() for name, value in otel.headers.items()}
    url = otel.endpoint.rstrip("/").removesuffix("/v1/traces") + "/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, headers=headers, timeout=5)
    return OtelTracer(BatchSpanProcessor(exporter), otel.service, otel.ratio)
