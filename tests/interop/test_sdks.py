"""Other languages publish to Tocsin over Kafka and HTTP; every event is delivered, on one running stack.

Python always runs. JavaScript, Java and Go run where their tools are installed and can install what the lock files
name; the tests are skipped elsewhere, with the reason.
"""

import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.dev.ports import free_port
from service.model.event import Event
from service.model.ledger import State
from service.pipeline.resolve import ingest
from tests.interop import java_client
from tests.interop.tools import built, check, run
from tests.support.client_events import REFUSED, check_sample
from tests.support.doc_page import Page
from tests.support.paths import ROOT
from tests.support.postgres import is_installed, postgres
from tests.support.real_pipeline import RealPipeline
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.tutorial import SOURCE as PARCELS
from tests.support.tutorial import explained_event, write_tutorial
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
Stack = tuple[RealPipeline, str]
_FORMS = ("kafka-structured", "kafka-binary", "http-structured", "http-binary")
_GO_GUIDE = ROOT / "docs" / "how-to" / "connect-an-upstream-go.md"
_SOURCE = "/java-client"
_JAVA_TESTS = {
    "EventsTest", "HttpPublisherTest", "KafkaPublisherTest", "OddTypesTest", "OutboxTest", "SamplesTest", "StackTest",
    "VectorsTest",
}  # fmt: skip


@pytest.fixture(scope="module")
def own_type(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the settings with which the tutorial's own type is known."""
    return write_tutorial(tmp_path_factory.mktemp("tutorial"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(own_type: Mapping[str, str]) -> AsyncIterator[Stack]:
    """Yield a pipeline and the base URL of its API."""
    async with served_pipeline(own_type) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def java_tests(stack: Stack, own_type: Mapping[str, str]) -> Path:
    """Return the folder in which the tests of the Java client were run, with a stack to publish to."""
    pipeline, api = stack
    kafka = pipeline.settings.kafka
    where = {
        "BOOTSTRAP": kafka.bootstrap,
        "TOPIC": kafka.events[0],
        "TOCSIN_KEY": bearer("publisher", "events"),
    }
    with contextlib.ExitStack() as servers:
        if is_installed():
            port = free_port()
            servers.enter_context(postgres(port))
            where["POSTGRES"] = f"jdbc:postgresql://127.0.0.1:{port}/postgres?user=postgres"
        return await java_client.run_tests(api, own_type, **where)


def _id_of(record: Any) -> str:
    """Return the id of the event in a Kafka record, in binary or in structured mode."""
    headers = dict(record.headers)
    return headers["ce_id"].decode() if "ce_id" in headers else json.loads(record.value)["id"]


async def check_delivered(pipeline: RealPipeline, source: str, ids: Sequence[str]) -> None:
    """Wait until each event has been delivered to the inboxes of alice and bob."""
    for event_id in ids:
        entries = await pipeline.wait_until_finished(source, event_id)
        states = {(entry.recipient, entry.state) for entry in entries if entry.channel == "inbox"}
        assert states == {("alice", "delivered"), ("bob", "delivered")}, event_id


async def publish_and_check(stack: Stack, command: Sequence[str], cwd: Path, ids: Sequence[str]) -> None:
    """Run a program and wait until each of its events has been delivered; nothing is refused."""
    pipeline, api = stack
    kafka = pipeline.settings.kafka
    where = {
        "BOOTSTRAP": kafka.bootstrap,
        "TOPIC": kafka.events[0],
        "URL": f"{api}/v1/events",
        "TOKEN": bearer("publisher", "events"),
    }
    refused = len(await pipeline.dead_letters())
    code, output = await run(*command, cwd=cwd, **where)
    assert code == 0, output
    await check_delivered(pipeline, "/interop", ids)
    assert len(await pipeline.dead_letters()) == refused


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Python",
    "The events of cloudevents 2, in both of its APIs, are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_python(stack: Stack) -> None:
    """The package `cloudevents` of PyPI."""
    ids = [f"{name}-{form}" for name in ("python", "python-v1") for form in _FORMS]
    await publish_and_check(stack, (sys.executable, "-m", "tests.interop.publish"), ROOT, ids)


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "JavaScript",
    "The events of cloudevents 10 with kafkajs are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_javascript(stack: Stack) -> None:
    """The package `cloudevents` of npm."""
    folder = await built("javascript", ("node", "npm"), ("npm", "ci", "--no-audit", "--no-fund"))
    await publish_and_check(stack, ("node", "publish.mjs"), folder, [f"javascript-{form}" for form in _FORMS])


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Java",
    "The events of io.cloudevents 4 are delivered: structured and binary, over Kafka and HTTP.",
)
async def test_java(stack: Stack) -> None:
    """The artifacts cloudevents-kafka and cloudevents-http-basic of Maven Central."""
    folder = await built("java", ("java", "mvn"), ("mvn", "-q", "-B", "compile"))
    command = ("mvn", "-q", "-B", "exec:java")
    await publish_and_check(stack, command, folder, [f"java-{form}" for form in _FORMS])


@pytest.mark.conformance(
    "CloudEvents SDKs",
    "Go",
    "The events of sdk-go 2 with kafka_sarama are delivered: structured, binary and, over HTTP, in a batch.",
)
async def test_go(stack: Stack) -> None:
    """The modules sdk-go/v2 and protocol/kafka_sarama/v2."""
    folder = await built("go", ("go",), ("go", "build", "-mod=readonly", "-o", "publish", "."))
    ids = [f"go-{form}" for form in (*_FORMS, "http-batch-1", "http-batch-2")]
    await publish_and_check(stack, (str(folder / "publish"),), folder, ids)


async def test_the_guide_for_go(stack: Stack) -> None:
    """Its programs run as they are printed, and its refused event has the answer that the page shows."""
    pipeline, api = stack
    kafka = pipeline.settings.kafka
    folder = await built("go", ("go",))
    output = ""
    for number, program in enumerate(Page.read(_GO_GUIDE).programs("go")):
        text = program.replace("http://127.0.0.1:8000", api)
        text = text.replace(
            '"127.0.0.1:9092"}, config, "events"', f'"{kafka.bootstrap}"}}, config, "{kafka.events[0]}"'
        )
        (folder / f"guide{number}").mkdir(exist_ok=True)
        (folder / f"guide{number}" / "main.go").write_text(text)
        await check("go", "build", "-mod=readonly", "-o", f"run{number}", f"./guide{number}", cwd=folder)
        code, printed = await run(str(folder / f"run{number}"), TOCSIN_KEY=bearer("publisher", "events"))
        assert code == 0, printed
        output += printed
    (explained,) = re.findall(r"--event (\S+)", _GO_GUIDE.read_text())
    assert await pipeline.wait_until_finished("/auctions", explained)
    await check_delivered(pipeline, "/auctions", ["lot-7-sold"])
    (refused,) = re.findall(r"`(event [^`]*)`", _GO_GUIDE.read_text())
    assert output.startswith(refused)


async def test_every_test_of_the_java_client_was_run(java_tests: Path) -> None:
    """None is skipped, but on PostgreSQL where it is not installed."""
    ran, skipped = java_client.results(java_tests)
    assert {name.partition(".")[0] for name in ran} == _JAVA_TESTS
    assert not skipped or not is_installed()


async def test_samples_made_in_java_are_events_that_the_service_accepts(java_tests: Path) -> None:
    """With the builders of each type; ingest reads the same data and audience."""
    lines = (java_tests / "samples.json.events").read_bytes().splitlines()
    headers = (("content-type", b"application/cloudevents+json"),)
    for declared, line in zip(java_client.CATALOGUE, lines, strict=True):
        parsed = ingest.parse(line, headers, java_client.CATALOGUE, 1_800_000_000_000)
        assert isinstance(parsed, Event)
        check_sample(parsed, declared)


async def test_java_client(stack: Stack, java_tests: Path) -> None:
    """Each way delivers once what is published twice; a withdrawal, refused events, and the outbox of the example."""
    pipeline, _ = stack
    names = [f"{form}-{number}" for form in _FORMS for number in range(3)]
    for name in names:
        entries = await pipeline.wait_until_finished(_SOURCE, name)
        states = sorted((entry.channel, entry.recipient, entry.state) for entry in entries)
        assert states == [("email", "alice", "sent"), ("inbox", "alice", "delivered")], name
    assert set(pipeline.mail_counts().values()) == {1}
    keys = {
        _id_of(record): record.key for record in await pipeline.records(pipeline.settings.kafka.events[0])
    }
    assert {keys[name] for name in names} == {b"alice"}

    async def is_withdrawn() -> bool:
        entries = await pipeline.entries(_SOURCE, "withdrawn")
        return State.withdrawn in {entry.state for entry in entries if entry.channel == "inbox"}

    await eventually(is_withdrawn, 60)
    entries = await pipeline.wait_until_finished("/auctions", "623f98fe-f59f-5232-bf92-abc099cc1306")
    recipients = Counter(entry.recipient for entry in entries if entry.channel == "inbox")
    assert recipients == {"alice": 1, "carol": 1}  # carol has the role that the type notifies, too
    assert await pipeline.wait_until_finished(PARCELS, explained_event("Java"))
    expected = Counter(dict.fromkeys(REFUSED, 2))  # over Kafka, structured and binary

    async def are_dead_letters() -> bool:
        reasons = [headers["tocsin-reason"].decode() for _, headers in await pipeline.dead_letters()]
        return Counter(reasons) == expected

    await eventually(are_dead_letters, 60)
