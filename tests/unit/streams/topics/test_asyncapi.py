"""docs/events/asyncapi.json agrees with the code about the Kafka interface."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.dev.samples import event
from service.model.event import InvalidEvent
from service.model.reasons import DEAD_REASON_TEXT
from service.model.topics import TABLES
from service.pipeline.resolve import ingest
from service.settings import templates_directory
from streams.topics import asyncapi
from streams.topics.asyncapi_events import ENVELOPE
from streams.topics.table import TOPICS
from tests.support.asyncapi_schema import PATH, committed_document, is_valid

CATALOGUE = load_catalogue(templates_directory())
NAMES = [type_.name for type_ in CATALOGUE]
WRONG: dict[str, Any] = {
    "string": 5, "integer": "5", "number": "5", "boolean": "yes", "datetime": "noon", "object": [], "list": {},
}  # fmt: skip


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(event(CATALOGUE, name, "1", "2026-01-01T00:00:00Z")))
    return document


def accepted(document: dict[str, Any]) -> bool:
    try:
        ingest.parse(json.dumps(document).encode(), (), CATALOGUE, 1)
    except InvalidEvent:
        return False
    return True


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def test_the_document_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what `python -m streams.topics.asyncapi` prints."""
    asyncapi.main()

    assert PATH.read_text() == capsys.readouterr().out


def test_every_reference_resolves() -> None:
    """And every message and schema is used by something."""
    used = {node["$ref"] for node in walk(committed_document()) if "$ref" in node}
    for reference in used:
        node: Any = committed_document()
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    for kind in ("messages", "schemas"):
        assert {f"#/components/{kind}/{name}" for name in committed_document()["components"][kind]} <= used


def test_every_topic_is_a_channel() -> None:
    """Those of the table with their settings, and the events; each can be sent or received."""
    channels = committed_document()["channels"]
    assert channels.keys() == {"events", *(topic.name for topic in TOPICS)}
    for topic in TOPICS:
        config = channels[topic.name]["bindings"]["kafka"]["topicConfiguration"]
        assert {
            k: ",".join(v) if isinstance(v, list) else str(v) for k, v in config.items()
        } == topic.config()
        assert topic.key in channels[topic.name]["description"]
    reached = {
        o["channel"]["$ref"].removeprefix("#/channels/") for o in committed_document()["operations"].values()
    }
    assert reached == channels.keys()
    assert {f"tables.{name}" for name in TABLES} <= reached


def test_every_type_is_a_message() -> None:
    """All types of the catalogue, withdrawals and binary mode, and nothing else."""
    assert len(NAMES) == 63
    assert committed_document()["channels"]["events"]["messages"].keys() == {*NAMES, "withdraw", "binary"}


def test_the_envelope_has_the_names_of_ingest() -> None:
    """Attributes and extensions, in every spelling; and dead letters have every reason with its sentence."""
    assert ENVELOPE["properties"].keys() == ingest._KNOWN | {"traceparent"}
    headers = committed_document()["components"]["messages"]["DeadLetter"]["headers"]["properties"]
    sentences = {one["const"]: one["description"] for one in headers["tocsin-reason"]["oneOf"]}
    assert sentences == {reason.value: text for reason, text in DEAD_REASON_TEXT.items()}


@pytest.mark.exhaustive
def test_examples_fit() -> None:
    """The examples in the document are accepted by ingest too."""
    for name, message in committed_document()["components"]["messages"].items():
        for example in message.get("examples", ()):
            assert is_valid(name, example["payload"])
            assert accepted(example["payload"])


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_with_ingest(name: str) -> None:
    """The sample fits its own message and no other; less or wrong data fit exactly where ingest accepts them."""
    good = sample(name)
    assert [other for other in NAMES if is_valid(other, good)] == [name]
    assert accepted(good)
    changed = [good | {"type": f"com.example.{name}"}, good | {"type": f"x{name}"}, good | {"data": None}]
    changed += [{k: v for k, v in good.items() if k != absent} for absent in good]
    changed += [good | {absent: None} for absent in good]
    changed += [good | {"recipients": [""]}, good | {"specversion": "0.3"}, good | {"time": "noon"}]
    changed += [good | {"recipients": "alice,bob"}, good | {"id": ""}, good | {"source": 5}]
    for field, meta in CATALOGUE[name].meta.items():
        others = {k: v for k, v in good.get("data", {}).items() if k != field}
        changed += [good | {"data": others}, good | {"data": others | {field: WRONG[meta.type]}}]
    for document in changed:
        assert is_valid(name, document) == accepted(document), document


def test_withdrawals_agree_with_ingest() -> None:
    """Both forms; neither and both are refused by either."""
    about = {"id": "1", "source": "/s", "type": "withdraw"}
    for data in (
        {"id": "4711"},
        {"id": "4711", "source": "/auctions"},
        {"type": "overbid", "data": {"lot_id": "7"}},
        {"type": "overbid", "key": "7"},
        {},
        None,
        {"id": ""},
        {"id": "1", "type": "overbid", "key": "7"},
        {"type": "overbid", "key": "7", "data": {}},
        {"type": "overbid"},
    ):
        document = about | {"data": data}
        assert is_valid("withdraw", document) == accepted(document), data
