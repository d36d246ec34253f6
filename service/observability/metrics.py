"""Every name that /metrics shows, in one place: what it means, and by which labels, each from a closed set.

What happens for every record is kept in plain numbers and put into words only when somebody asks: a counter of
prometheus_client takes a lock for each step. One event loop writes; a scrape may read from another thread.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class FastCounter(Collector):
    """A counter; `add` is one step in a dictionary."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._declared = name, text, labels
        self._values: dict[Labels, int] = {}
        registry.register(self)

    def add(self, labels: Labels, n: int = 1) -> None:
        """Count `n` more."""
        try:
            self._values[labels] += n
        except KeyError:
            self._values[labels] = n

    def value(self, *labels: str) -> int:
        """How many so far."""
        return self._values.get(labels, 0)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        name, text, labels = self._declared
        family = CounterMetricFamily(name, text, labels=labels)
        for values, n in list(self._values.items()):
            family.add_metric(values, n)
        yield family


class FastHistogram(Collector):
    """A histogram of seconds."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._declared = name, text, labels
        self._bounds = bounds
        self._found: dict[Labels, tuple[list[int], list[float]]] = {}
        registry.register(self)

    def observe(self, labels: Labels, seconds: float) -> None:
        """Note one."""
        found = self._found.get(labels)
        if found is None:
            found = self._found[labels] = [0] * (len(self._bounds) + 1), [0.0]
        found[0][bisect_left(self._bounds, seconds)] += 1
        found[1][0] += seconds

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it: buckets hold all that is not longer."""
        name, text, labels = self._declared
        family = HistogramMetricFamily(name, text, labels=labels)
        for values, (counts, total) in list(self._found.items()):
            seen, buckets = 0, []
            for bound, n in zip([*map(str, self._bounds), "+Inf"], list(counts), strict=True):
                seen += n
                buckets.append((bound, seen))
            family.add_metric(values, buckets, sum_value=total[0])
        yield family


class GaugeFamily(NamedTuple):
    """A metric that is looked up when somebody asks."""

    name: str
    text: str
    labels: tuple[str, ...]

    def gauge(self, rows: Iterable[tuple[Labels, float]]) -> Metric:
        """Its values now."""
        family = GaugeMetricFamily(self.name, self.text, labels=self.labels)
        for labels, value in rows:
            family.add_metric(labels, value)
        return family

    def counter(self, rows: Iterable[tuple[Labels, float]]) -> Metric:
        """Its values so far."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, value in rows:
            family.add_metric(labels, value)
        return family


class ScrapeCollector(Collector):
    """What was looked up for this scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """As it was looked up."""
        return self._families


def exposition(families: Iterable[Metric] = ()) -> bytes:
    """Every metric of this process as Prometheus reads it, and after them those that were looked up."""
    looked_up = CollectorRegistry(auto_describe=False)
    looked_up.register(ScrapeCollector(families))
    return generate_latest(REGISTRY) + generate_latest(looked_up)


# counted by a worker as Kafka acknowledges what its stages wrote
OUTCOMES = FastCounter(
    "tocsin_outcomes_total",
    "State changes of deliveries",
    ("state", "channel", "type", "reason"),
    REGISTRY,
)
DEAD_LETTERS = FastCounter(
    "tocsin_dead_letters_total", "Records that no retry can help", ("stage", "reason"), REGISTRY
)
SMTP_REPLIES = FastCounter(
    "tocsin_smtp_replies_total", "Final replies to mails, by their class", ("relay", "reply"), REGISTRY
)
EVENT_TO_FINAL = FastHistogram(
    "tocsin_event_to_final_seconds",
    "From the event in Kafka to mail taken by a relay or entry in the inbox",
    ("channel",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
    REGISTRY,
)

# counted where it happens
BOUNCES = Counter("tocsin_bounces_total", "Bounces and complaints that came in", ["what", "reason"])
REDIS_ERRORS = FastCounter(
    "tocsin_redis_errors_total", "Commands that Redis did not answer, by why", ("why",), REGISTRY
)
HTTP_REQUESTS = FastCounter(
    "tocsin_http_requests_total", "Requests answered", ("method", "route", "status"), REGISTRY
)
HTTP_SECONDS = FastHistogram(
    "tocsin_http_request_seconds",
    "Time to answer",
    ("route",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    REGISTRY,
)

# looked up by a worker's probe; a stage of the mail has its lane in its name
RECORDS = GaugeFamily("tocsin_records_total", "Records a stage is done with", ("stage", "result"))
OLDEST_UNFINISHED = GaugeFamily(
    "tocsin_oldest_unfinished_seconds",
    "Age of the oldest record a stage has not finished; 0 when it has finished all",
    ("stage",),
)
OLDEST_OPEN = GaugeFamily(
    "tocsin_oldest_open_seconds",
    "For how long the oldest open delivery stands in this state; of what is put off, the event's age; 0: none",
    ("stage", "lane", "state"),
)
IN_FLIGHT = GaugeFamily("tocsin_stage_in_flight", "Records a stage has in its hands", ("stage",))
STAGE_PAUSED = GaugeFamily("tocsin_stage_paused", "1 while a stage waits; /readyz says for what", ("stage",))
STAGE_PROGRESS = GaugeFamily(
    "tocsin_stage_last_progress_seconds", "Since a stage moved, or had nothing to move", ("stage",)
)
LAG = GaugeFamily("tocsin_consumer_lag", "Records not finished", ("topic", "partition", "group"))
DUE = GaugeFamily("tocsin_due_deliveries", "Deliveries that wait for their time", ())
DUE_OVERDUE = GaugeFamily(
    "tocsin_due_overdue_seconds", "How long the oldest due delivery is overdue; 0: none", ()
)
RELAY_STATE = GaugeFamily("tocsin_relay_state", "1 for the state a relay is in", ("relay", "state"))
RELAY_CONNECTIONS = GaugeFamily("tocsin_relay_connections", "Open connections", ("relay",))
RELAY_IN_FLIGHT = GaugeFamily("tocsin_relay_in_flight", "Mails begun and not answered", ("relay",))
RELAY_WAITING = GaugeFamily("tocsin_relay_waiting", "Mails that wait for a connection", ("relay",))
