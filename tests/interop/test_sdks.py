"""The official CloudEvents SDKs publish to Tocsin over Kafka and HTTP; every event is delivered.

Python always runs. JavaScript, Java and Go run where their tools are installed and can install what the lock files
name; the tests are skipped elsewhere, with the reason.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.tools import built, run
from tests.support.paths import ROOT
from tests.support.served_pipeline import bearer, served_pipeline

_FORMS = ("kafka-structured", "kafka-binary", "http-structured", "http-binary")


async def publish_and_check(command: Sequence[str], cwd: Path, ids: Sequence[str]) -> None:
    """Run a program and wait until each of its events has been delivered to alice and bob; nothing is refused."""
    async with served_pipeline() as (pipeline, api):
        kafka = pipeline.settings.kafka
        where = {
            "BOOTSTRAP": kafka.bootstrap,
            "TOPIC": kafka.events[0],
            "URL": f"{api}/v1/events",
            "TOKEN": bearer("publisher", "events"),
        }
        code, output = await run(*command, cwd=cwd, **where)
        assert code == 0, output
        for event_id in ids:
            entries = await pipeline.wait_until_finished("/interop", event_id)
            states = {(entry.recipient, entry.state) for entry in entries if entry.channel == "inbox"}
            assert states == {("alice", "delivered"), ("bob", "delivered")}, event_id
        assert not await pipeline.dead_letters()


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Python",
    "The events of cloudevents 2, in both of its APIs, are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_python() -> None:
    """The package `cloudevents` of PyPI."""
    ids = [f"{name}-{form}" for name in ("python", "python-v1") for form in _FORMS]
    await publish_and_check((sys.executable, "-m", "tests.interop.publish"), ROOT, ids)


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "JavaScript",
    "The events of cloudevents 10 with kafkajs are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_javascript() -> None:
    """The package `cloudevents` of npm."""
    folder = await built("javascript", ("node", "npm"), ("npm", "ci", "--no-audit", "--no-fund"))
    await publish_and_check(("node", "publish.mjs"), folder, [f"javascript-{form}" for form in _FORMS])


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Java",
    "The events of io.cloudevents 4 are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_java() -> None:
    """The artifacts cloudevents-kafka and cloudevents-http-basic of Maven Central."""
    folder = await built("java", ("java", "mvn"), ("mvn", "-q", "-B", "compile"))
    command = ("mvn", "-q", "-B", "exec:java")
    await publish_and_check(command, folder, [f"java-{form}" for form in _FORMS])


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Go",
    "The events of sdk-go 2 with kafka_sarama are delivered: structured, binary and, over HTTP, in a batch.",
)
async def test_go() -> None:
    """The modules sdk-go/v2 and protocol/kafka_sarama/v2."""
    folder = await built("go", ("go",), ("go", "build", "-mod=readonly", "-o", "publish", "."))
    ids = [f"go-{form}" for form in (*_FORMS, "http-batch-1", "http-batch-2")]
    await publish_and_check((str(folder / "publish"),), folder, ids)
