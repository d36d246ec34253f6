"""From a delivery time in Prometheus to the trace of the delivery, with a real Prometheus."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.dev.ports import free_port
from tests.support.otlp_collector import Collector
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually

TRACE = "1af7651916cd43dd8448eb211c80319d"
QUERY = 'tocsin_event_to_final_seconds_bucket{channel="email"}'


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a Prometheus that scrapes one target every second and stores exemplars; yield a client of it."""
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "tocsin", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage",
            "--log.level=error",
        ]
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: the package prometheus)"
)
async def test_prometheus_stores_the_trace_of_a_delivery(tmp_path: Path) -> None:
    """The exemplar of the histogram of delivery times names the trace that the upstream began."""
    port = free_port()
    async with (
        RealPipeline(partitions=1) as pipeline,
        Collector() as collector,
        prometheus(tmp_path, f"127.0.0.1:{port}") as client,
    ):
        pipeline.start_worker(
            "resolve,inbox,email,schedule,tables",
            TOCSIN_WORKER__METRICS_PORT=str(port),
            TOCSIN_OTEL__ENDPOINT=collector.url,
        )
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice"],
            "data": {"lot_id": "1"},
        }
        parent = f"00-{TRACE}-b7ad6b7169203331-01".encode()
        await pipeline.publish(event, headers=[("traceparent", parent)])
        await pipeline.wait_until_finished("/e2e", "1")
        found: list[dict[str, Any]] = []

        async def stored() -> bool:
            nonlocal found
            times = {"query": QUERY, "start": "0", "end": "4102444800"}
            try:
                answer = await client.get("/api/v1/query_exemplars", params=times)
            except httpx.TransportError:
                return False
            found = answer.json().get("data", [])
            return any(one["exemplars"] for one in found)

        await eventually(stored, 60, lambda: str(found))
        traces = {exemplar["labels"]["trace_id"] for one in found for exemplar in one["exemplars"]}
        assert traces == {TRACE}
        sent = await client.get("/api/v1/query", params={"query": "tocsin_event_to_final_seconds_count"})
        values = {row["metric"]["channel"]: row["value"][1] for row in sent.json()["data"]["result"]}
        assert values == {"email": "2", "inbox": "2"}
