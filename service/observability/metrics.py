"""Every metric of /metrics, in one place, with its help text and its labels; each label has a closed set of values.

Counters on the path of every record are plain numbers in a dictionary, formatted only at a scrape: a counter of
prometheus_client takes a lock for each increment. One event loop writes; a scrape may read from another thread.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from time import time
from typing import NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

Labels = tuple[str, ...]
_SAMPLED = 1  # W3C Trace Context: the flag of a trace that is kept


class FastCounter(Collector):
    """A counter whose `add` is one update of a dictionary."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._declared = name, help_text, labels
        self._values: dict[Labels, int] = {}
        registry.register(self)

    def add(self, labels: Labels, n: int = 1) -> None:
        """Add `n` to the counter of these label values."""
        try:
            self._values[labels] += n
        except KeyError:
            self._values[labels] = n

    def value(self, *labels: str) -> int:
        """Return the count for these label values; 0 when there is none."""
        return self._values.get(labels, 0)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric as prometheus_client exposes it."""
        name, help_text, labels = self._declared
        family = CounterMetricFamily(name, help_text, labels=labels)
        for values, n in list(self._values.items()):
            family.add_metric(values, n)
        yield family


class CurrentVersion(Collector):
    """A gauge with the value 1 for the version that is in use, its only label."""

    def __init__(self, name: str, help_text: str, label: str, registry: CollectorRegistry) -> None:
        self._declared = name, help_text, (label,)
        self._version = ""
        registry.register(self)

    def set(self, version: str) -> None:
        """Note the version in use."""
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield the metric as prometheus_client exposes it; without a value before a version is set."""
        name, help_text, labels = self._declared
        family = GaugeMetricFamily(name, help_text, labels=labels)
        if self._version:
            family.add_metric((self._version,), 1)
        yield family


class FastHistogram(Collector):
    """A histogram, of durations in seconds unless its name says otherwise.

    A bucket may have an exemplar: a trace that leads to one of its durations. Exemplars are set apart from
    observations, so that they cost nothing while tracing is off.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._declared = name, help_text, labels
        self._bounds = bounds
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}  # (count a bucket, [sum])
        self._exemplars: dict[tuple[Labels, int], Exemplar] = {}
        registry.register(self)

    def observe(self, labels: Labels, duration_s: float) -> None:
        """Record one duration for these label values."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = [0] * (len(self._bounds) + 1), [0.0]
        series[0][bisect_left(self._bounds, duration_s)] += 1
        series[1][0] += duration_s

    def exemplify(self, labels: Labels, duration_s: float, traceparent: str) -> None:
        """Make a trace that is kept the exemplar of the bucket that this duration is in; others lead nowhere."""
        _, trace, span, flags = traceparent.split("-")
        if int(flags, 16) & _SAMPLED:
            ids = {"trace_id": trace, "span_id": span}
            self._exemplars[labels, bisect_left(self._bounds, duration_s)] = Exemplar(ids, duration_s, time())

    def collect(self) -> Iterator[Metric]:
        """Yield the metric as prometheus_client exposes it; each bucket counts all durations up to its bound."""
        name, help_text, labels = self._declared
        family = HistogramMetricFamily(name, help_text, labels=labels)
        for values, (counts, total) in list(self._series.items()):
            cumulative = 0
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            bounds = [*map(str, self._bounds), "+Inf"]
            for number, (bound, n) in enumerate(zip(bounds, list(counts), strict=True)):
                cumulative += n
                exemplar = self._exemplars.get((values, number))
                buckets.append((bound, cumulative, exemplar) if exemplar else (bound, cumulative))
            family.add_metric(values, buckets, sum_value=total[0])
        yield family


class GaugeFamily(NamedTuple):
    """A metric whose values are collected at each scrape."""

    name: str
    help_text: str
    labels: tuple[str, ...]

    def gauge(self, rows: Iterable[tuple[Labels, float]]) -> Metric:
        """Return a gauge with these values, by label values."""
        family = GaugeMetricFamily(self.name, self.help_text, labels=self.labels)
        for labels, value in rows:
            family.add_metric(labels, value)
        return family

    def counter(self, rows: Iterable[tuple[Labels, float]]) -> Metric:
        """Return a counter with these totals, by label values."""
        family = CounterMetricFamily(self.name, self.help_text, labels=self.labels)
        for labels, value in rows:
            family.add_metric(labels, value)
        return family


class _Both(Collector):
    """The metrics of this process, followed by those of one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
        yield from self._families


def observe_digest(items: int) -> None:
    """Count a digest that is sent by the number of its items."""
    DIGEST_ITEMS.observe((), items)


def exposition(families: Iterable[Metric] = (), accept: str = "") -> tuple[bytes, str]:
    """Return this process's metrics, followed by `families`, and the content type.

    `accept`: the header of the scrape. OpenMetrics, which Prometheus prefers, has exemplars; the text format has none.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Both(families)), content_type


# Counted by a worker when Kafka acknowledges the messages of its stages.
OUTCOMES = FastCounter(
    "tocsin_outcomes_total",
    "State changes of deliveries; a change that is published again after a crash is counted again",
    ("state", "channel", "type", "reason"),
    REGISTRY,
)
DEAD_LETTERS = FastCounter(
    "tocsin_dead_letters_total",
    "Records written to the dead-letter topic, because retrying cannot help",
    ("stage", "reason"),
    REGISTRY,
)
SMTP_REPLIES = FastCounter(
    "tocsin_smtp_replies_total", "Final SMTP replies to messages, by class", ("relay", "reply"), REGISTRY
)
EVENT_TO_FINAL = FastHistogram(
    "tocsin_event_to_final_seconds",
    "Time from the event's Kafka timestamp until a relay accepts the message or the inbox holds the entry",
    ("channel",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
    REGISTRY,
)

# Counted where it happens.
RELEASE_LATENESS = FastHistogram(
    "tocsin_release_lateness_seconds",
    "Time from when a delivery of the due set was due until Kafka has acknowledged it",
    ("lane",),
    (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 21600),
    REGISTRY,
)
DIGEST_ITEMS = FastHistogram(
    "tocsin_digest_items",
    "Notifications in a digest that was handed to a relay",
    (),
    (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000),
    REGISTRY,
)
CLOCK_AHEAD = FastCounter(
    "tocsin_events_ahead_of_clock_total",
    "Events whose time was further ahead of their receipt than clocks may differ; the receipt counts",
    ("type",),
    REGISTRY,
)
RECORD_TIMESTAMPS = FastCounter(
    "tocsin_record_timestamps_wrong_total",
    "Records whose producer sets no timestamp, zero or seconds; the event's own time counts instead",
    ("topic",),
    REGISTRY,
)
OFFSET_RESETS = FastCounter(
    "tocsin_offset_resets_total",
    "Partitions that could not be read from where their group was: records were removed unread, the topic was "
    "recreated, or its log was truncated",
    ("topic", "reason"),
    REGISTRY,
)
REMOVED_UNREAD = FastCounter(
    "tocsin_records_removed_unread_total",
    "Offsets that Kafka removed, by retention or by hand, before they were read",
    ("topic",),
    REGISTRY,
)
BOUNCES = Counter(
    "tocsin_bounces_total",
    "Received bounces and complaints, by how they were processed",
    ["result", "reason"],
)
UNREADABLE_ROWS = FastCounter(
    "tocsin_unreadable_rows_total",
    "Rows in Redis that could not be read and were left out, at each attempt",
    ("table",),
    REGISTRY,
)
RELAY_FAILURES = FastCounter(
    "tocsin_relay_failures_total",
    "Connections to a relay that failed, by the step: before the first message, or in the dialogue",
    ("relay", "step"),
    REGISTRY,
)
REDIS_ERRORS = FastCounter(
    "tocsin_redis_errors_total", "Failed Redis commands, by reason", ("reason",), REGISTRY
)
LOST_DELIVERIES = FastCounter(
    "tocsin_lost_deliveries_total",
    "Deliveries without an entry in the ledger: entered again, or the retention is over; reported: by a bounce",
    ("channel", "result"),
    REGISTRY,
)
CATCH_UPS = FastCounter(
    "tocsin_catch_ups_total",
    "Catch-ups of Redis from Kafka, after a server answered that may have lost its newest data, by cause",
    ("cause", "result"),
    REGISTRY,
)
RELOADS = FastCounter(
    "tocsin_catalogue_reloads_total",
    "Reloads of catalogue, brands and templates: reloaded, unchanged, or failed, which keeps the version in use",
    ("result",),
    REGISTRY,
)
CATALOGUE_VERSION = CurrentVersion(
    "tocsin_catalogue_info",
    "1 for the version of catalogue, brands and templates in use; equal where the files are",
    "fingerprint",
    REGISTRY,
)
HTTP_REQUESTS = FastCounter(
    "tocsin_http_requests_total", "Answered API requests", ("method", "route", "status"), REGISTRY
)
HTTP_REFUSED = FastCounter(
    "tocsin_http_refused_total",
    "Connections and requests that the API refused before serving them, by status; unread: a response was not read",
    ("status",),
    REGISTRY,
)
HTTP_DURATION_S = FastHistogram(
    "tocsin_http_request_seconds",
    "Time to answer an API request; the inbox stream is not included",
    ("route",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    REGISTRY,
)

# Collected at each scrape, by a worker's probe; the problems also by the API. A stage of email has its lane in its
# name: `email.high`.
RECORDS = GaugeFamily("tocsin_records_total", "Records that a stage has finished", ("stage", "result"))
OLDEST_UNFINISHED = GaugeFamily(
    "tocsin_oldest_unfinished_seconds",
    "Age of the oldest record that a stage has not finished; 0 when there is none",
    ("stage",),
)
OLDEST_OPEN = GaugeFamily(
    "tocsin_oldest_open_seconds",
    "Time that the oldest open delivery has been in this state; for deferred and ambiguous, the age of its event; "
    "0 when there is none",
    ("stage", "lane", "state"),
)
IN_FLIGHT = GaugeFamily(
    "tocsin_stage_in_flight", "Records that a stage has read and not finished", ("stage",)
)
STAGE_PAUSED = GaugeFamily(
    "tocsin_stage_paused", "1 while a stage is paused; /readyz has the reason", ("stage",)
)
UNREAD_PARTITIONS = GaugeFamily(
    "tocsin_unread_partitions", "Partitions that no member of the stage's group reads", ("stage",)
)
MISSING_TOPICS = GaugeFamily(
    "tocsin_missing_topics", "Topics of the stage that do not exist; /readyz names them", ("stage",)
)
STAGE_PROGRESS = GaugeFamily(
    "tocsin_stage_last_progress_seconds",
    "Time since a stage last made progress or had nothing to do",
    ("stage",),
)
LAG = GaugeFamily(
    "tocsin_consumer_lag", "Records that the group has not finished", ("topic", "partition", "group")
)
PROBLEMS = GaugeFamily(
    "tocsin_problems",
    "What is wrong now, as `tocsin doctor` and GET /v1/problems say it; every worker and API process reports it",
    ("kind", "severity"),
)
DUE = GaugeFamily("tocsin_due_deliveries", "Deliveries in the due set, waiting for their next attempt", ())
HELD = GaugeFamily(
    "tocsin_held_deliveries", "Deliveries that are held until a time, by reason", ("lane", "reason")
)
OLDEST_HELD = GaugeFamily(
    "tocsin_oldest_held_seconds",
    "Age of the event of the oldest delivery that is held until a time; 0 when there is none",
    ("lane", "reason"),
)
DUE_OVERDUE = GaugeFamily(
    "tocsin_due_overdue_seconds", "Time that the oldest due delivery is overdue; 0 when there is none", ()
)
RELAY_STATE = GaugeFamily(
    "tocsin_relay_state", "1 for the current state of a relay, else 0", ("relay", "state")
)
RELAY_CONNECTIONS = GaugeFamily("tocsin_relay_connections", "Open connections to a relay", ("relay",))
RELAY_IN_FLIGHT = GaugeFamily(
    "tocsin_relay_in_flight", "Messages being sent, without a final reply yet", ("relay",)
)
RELAY_WAITING = GaugeFamily(
    "tocsin_relay_waiting", "Messages waiting for a connection to a relay", ("relay",)
)
