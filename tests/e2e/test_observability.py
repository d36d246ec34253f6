"""Metrics, logs and traces of a running pipeline, and the dashboard and alerts that rely on them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.api.metrics import exposition
from service.dev.ports import free_port
from service.model.catalogue import Lane
from service.model.ledger import State
from service.model.reasons import Reason
from service.observability.metrics import GaugeFamily
from service.pipeline.operate.problems import ProblemKind, Severity
from tests.support.api_fixture import fake_api
from tests.support.otlp_collector import Collector
from tests.support.paths import ROOT
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
UPSTREAM = f"00-{TRACE}-b7ad6b7169203331-01"
DASHBOARD = ROOT / "ops" / "grafana" / "tocsin.json"
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"


@dataclass(frozen=True)
class Observed:
    """The metrics, logs and spans of one worker, and the deliveries of one event."""

    metrics: str
    logs: str
    spans: list[dict[str, Any]]
    deliveries: dict[tuple[str, str], str]

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of a metric's samples."""
        matches = re.findall(rf"^{name}(?:\{{(.*)\}})? ", self.metrics, re.MULTILINE)
        return [dict(re.findall(r'(\w+)="([^"]*)"', labels)) for labels in matches]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one sample."""
        selector = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
        sample = re.search(rf"^{re.escape(f'{name}{{{selector}}}')} (\S+)$", self.metrics, re.MULTILINE)
        assert sample is not None, f"no {name} {labels}"
        return float(sample[1])


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Run a worker over valid, refused and traced events until it is stopped."""
    return asyncio.run(_observe(tmp_path_factory.mktemp("observed") / "log"))


async def _observe(log: Path) -> Observed:
    async with RealPipeline() as pipeline, Collector() as collector:
        port = free_port()
        env = pipeline.environment(
            TOCSIN_LOG_LEVEL="INFO",
            TOCSIN_WORKER__METRICS_PORT=str(port),
            TOCSIN_OTEL__ENDPOINT=collector.url,
        )
        with log.open("wb") as stderr:
            worker = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "worker"], cwd=ROOT, env=env, stderr=stderr
            )
        pipeline.workers.append(worker)
        both = {"type": "overbid", "source": "/e2e", "recipients": ["alice", "bob"]}
        group = {"type": "invoice_available", "source": "/e2e", "external_id": "12345", "id": "group"}
        refused = {"type": "nonsense", "source": "/e2e", "id": "refused", "to": "mallory@example.com"}
        await pipeline.publish({**both, "id": "plain", "data": {"lot_id": "1"}}, group, refused, b"{")
        await pipeline.publish(
            {**both, "id": "traced", "data": {"lot_id": "2"}}, headers=[("traceparent", UPSTREAM.encode())]
        )
        for event in ("plain", "group", "traced"):
            await pipeline.wait_until_finished("/e2e", event)

        metrics = ""

        async def counted() -> bool:
            nonlocal metrics
            async with httpx.AsyncClient(timeout=30) as client:
                metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            sent = 'tocsin_outcomes_total{channel="email",reason="",state="sent",type='
            expected = (
                'reason="invalid_json",stage="resolve"} 1.0',
                'reason="unknown_type",stage="resolve"} 1.0',
                f'{sent}"overbid"}} 6.0',
                f'{sent}"invoice_available"}} 1.0',
                'tocsin_smtp_replies_total{relay="relay1",reply="2xx"} 7.0',
                'tocsin_relay_state{relay="relay1",state="ok"} 1.0',
                'tocsin_event_to_final_seconds_count{channel="email"} 7.0',
                f'tocsin_consumer_lag{{group="{pipeline.name}.resolve"',  # measured once a second
                f'tocsin_consumer_lag{{group="{pipeline.name}.inbox"',
                f'tocsin_consumer_lag{{group="{pipeline.name}.email.high"',
                'tocsin_records_total{result="finished",stage="resolve"} 5.0',
            )
            return all(sample in metrics for sample in expected)

        await eventually(counted, 60, lambda: metrics)
        entries = await pipeline.entries("/e2e", "traced")
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 60) == 0
        deliveries = {(e.recipient, e.channel): e.delivery for e in entries}
        return Observed(metrics, log.read_text(), collector.spans, deliveries)


def metric_names(expression: str) -> set[str]:
    """Return the metrics that an expression names, without the suffixes of a histogram."""
    return {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\btocsin_[a-z0-9_]+", expression)
    }


def expressions() -> Iterator[str]:
    """Yield every expression of the dashboard and of the alerts."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


async def test_dashboard_and_alerts_use_every_metric(observed: Observed) -> None:
    """Every metric they name is in /metrics of a worker or of the API, and every metric shown is named by them."""
    async with fake_api() as api:
        await api.client.get("/livez")
        of_api = bytes((await exposition(api.deps.observer)).body).decode()
    shown = set(re.findall(r"^# TYPE (tocsin_\w+)", observed.metrics, re.MULTILINE))
    shown |= {
        n for n in re.findall(r"^# TYPE (tocsin_\w+)", of_api, re.MULTILINE) if n.startswith("tocsin_http_")
    }
    used = {name for expression in expressions() for name in metric_names(expression)}
    assert used == {name for name in shown if not name.endswith("_created")}
    of_processes = {name for expression in expressions() for name in re.findall(r"\bprocess_\w+", expression)}
    assert of_processes <= {*re.findall(r"^# TYPE (process_\w+)", observed.metrics, re.MULTILINE)}


def test_labels_that_dashboard_and_alerts_select_exist(observed: Observed) -> None:
    """Labels they select or group by are labels of that metric, and states, reasons and stages are real ones."""
    stages = {"resolve", "inbox", "email", "tables", *(f"email.{lane}" for lane in Lane)}
    known = {"state": {*State, "ok", "trial", "resting", "breaker_open", "misconfigured"}, "reason": {*Reason},
             "stage": stages, "kind": {*ProblemKind}, "severity": {*Severity},
             "reply": {"2xx", "4xx", "5xx", "other"}}  # fmt: skip
    import service.observability.metrics as declared

    labels = {m.name: {*m.labels} for m in vars(declared).values() if isinstance(m, GaugeFamily)}
    for m in vars(declared).values():
        if not isinstance(m, GaugeFamily | type) and hasattr(m, "_declared"):
            labels[m._declared[0]] = {*m._declared[2]}
    labels["tocsin_bounces_total"] = {*declared.BOUNCES._labelnames}
    for expression in expressions():
        for name, selector in re.findall(r"(tocsin_\w+)\{([^}]*)\}", expression):
            for label, texts in re.findall(r'(\w+)[!=]~?"([^"]*)"', selector):
                own = labels[re.sub(r"_(bucket|sum|count)$", "", name)]
                assert label in own | {"job", "instance"}, expression  # those two are of the scrape
                if label in known:
                    assert {*texts.split("|")} <= known[label], expression
        grouped = {
            label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")
        }
        available = set().union(*(labels[name] | {"le"} for name in metric_names(expression)))
        assert grouped <= available, expression


def test_alerts_are_explained() -> None:
    """docs/operations.md has a row for each, and for no other."""
    rules = [r["alert"] for g in yaml.safe_load(ALERTS.read_text())["groups"] for r in g["rules"]]
    explained = re.findall(r"^\| `(Tocsin\w+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(rules)


def test_everything_is_counted_once(observed: Observed) -> None:
    """Records by stage, outcomes, dead letters, replies, and the time from event to mail."""
    assert observed.value("tocsin_records_total", stage="resolve", result="finished") == 5
    sent = {"channel": "email", "reason": "", "state": "sent"}
    assert observed.value("tocsin_outcomes_total", **sent, type="overbid") == 6
    assert observed.value("tocsin_outcomes_total", **sent, type="invoice_available") == 1
    assert observed.value("tocsin_dead_letters_total", stage="resolve", reason="unknown_type") == 1
    assert observed.value("tocsin_dead_letters_total", stage="resolve", reason="too_deep") == 0
    assert observed.value("tocsin_smtp_replies_total", relay="relay1", reply="2xx") == 7
    assert observed.value("tocsin_event_to_final_seconds_count", channel="email") == 7
    assert observed.value("tocsin_relay_state", relay="relay1", state="ok") == 1
    assert {row["group"].split(".", 1)[1] for row in observed.labels("tocsin_consumer_lag")} > {
        "resolve",
        "inbox",
    }


def test_labels_are_from_closed_sets(observed: Observed) -> None:
    """No id, address or other text of an event or a recipient becomes a label."""
    for text in ("alice", "example.com", "nonsense", "12345", *observed.deliveries.values()):
        assert text not in observed.metrics


def test_no_address_is_logged_and_records_are_named(observed: Observed) -> None:
    """Every line is JSON; the refused event can be found by its id; no recipient's address is logged."""
    lines = [json.loads(line) for line in observed.logs.splitlines()]
    assert "example.com" not in observed.logs
    dead_letters = {line["reason"]: line for line in lines if line["event"] == "dead_letter_written"}
    assert dead_letters["unknown_type"]["event_id"] == "refused"
    assert dead_letters.keys() == {"unknown_type", "invalid_json"}


def test_log_lines_say_where_they_come_from(observed: Observed) -> None:
    """The worker in each; the stage in those of stages; at the start what it connects to, and its partitions."""
    lines = [json.loads(line) for line in observed.logs.splitlines()]
    ours = [line for line in lines if line["logger"].startswith(("streams.", "service."))]
    assert len({line["worker"] for line in ours}) == 1
    of_stages = [line for line in ours if line["logger"].startswith("streams.consumer")]
    assert not [line for line in of_stages if "stage" not in line and "[^---stage " not in line["event"]]

    (started,) = [line for line in lines if line["event"] == "worker_started"]
    assert set(started["stages"]) == {"resolve", "inbox", "email", "schedule", "tables"}
    assert started["redis"].startswith("server 127.0.0.1:")
    assert [relay.split(":")[0] for relay in started["relays"]] == ["127.0.0.1"]
    assert started["brokers"][0].startswith("127.0.0.1:")
    assert started["version"]
    assigned = {line["stage"]: line["partitions"] for line in lines if line["event"] == "partitions_assigned"}
    assert assigned.keys() == {"resolve", "inbox", "tables", *(f"email.{lane}" for lane in Lane)}
    assert [name.partition(".")[2] for name in assigned["resolve"]] == ["events:0-2"]
    (letter,) = [line for line in lines if line.get("reason") == "unknown_type" and "offset" in line]
    assert letter["topic"].endswith(".events")


def test_one_trace_from_the_upstream_to_the_relay(observed: Observed) -> None:
    """The upstream's trace holds resolve, and under it every delivery with its id, its state and the relay's reply."""
    spans = [span for span in observed.spans if span["trace"] == TRACE]
    (resolve,) = [span for span in spans if span["name"] == "resolve"]
    assert resolve["parent"] == "b7ad6b7169203331"
    assert resolve["attributes"]["tocsin.event_id"] == "traced"
    delivered = {s["attributes"]["tocsin.delivery"]: s for s in spans if s["name"].startswith("deliver ")}
    assert delivered.keys() == set(observed.deliveries.values())
    assert {span["parent"] for span in delivered.values()} == {resolve["id"]}
    for (_, channel), delivery in observed.deliveries.items():
        attributes = delivered[delivery]["attributes"]
        assert delivered[delivery]["name"] == f"deliver {channel}"
        assert attributes["tocsin.state"] == ("sent" if channel == "email" else "delivered")
        assert attributes.get("smtp.reply_code") == (250 if channel == "email" else None)
    assert not any("alice" in str(span) for span in observed.spans)


def test_events_without_a_trace_begin_one(observed: Observed) -> None:
    """Each event has a trace of its own; a refused event has a failed span."""
    begun = [s for s in observed.spans if s["name"] == "resolve" and not s["parent"]]
    assert len({span["trace"] for span in begun}) == len(begun) == 4
    assert sorted(s["attributes"].get("tocsin.reason", "") for s in begun if s["failed"]) == [
        "invalid_json",
        "unknown_type",
    ]


def test_tracing_is_not_imported_when_it_is_off() -> None:
    """Without an endpoint no SDK of traces is imported; the client of Redis imports the part for metrics by itself."""
    heavy = {"opentelemetry.sdk.trace", "opentelemetry.exporter"}
    code = f"import sys, streams.app; sys.exit(not {heavy!r}.isdisjoint(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ}, check=False).returncode
        == 0
    )
