"""People with a unique name go through the whole pipeline, in every way that can fail; then everything is searched.

Their data are in no log, metric or trace, are complete in the export, and are gone after erasing. Every record is as
documented.
"""

import asyncio
import json
import re
from collections.abc import Mapping

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import Lane
from service.settings import templates_directory
from tests.support.asyncapi_schema import matching_messages
from tests.support.personal_data import (
    ERASED,
    NAME,
    PEOPLE,
    PERSONAL_TEXTS,
    STEM,
    Observations,
    address,
    observe,
)

pytestmark = pytest.mark.timeout(300)  # the first test waits for the whole pipeline


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Observations:
    """Run one pipeline for all tests of this file."""
    return asyncio.run(observe(tmp_path_factory.mktemp("personal-data")))


def test_deliveries_end_in_every_state(seen: Observations) -> None:
    """Every way to fail was taken; otherwise the tests below would prove little."""
    assert {state for states in seen.states.values() for state in states} >= {
        "sent", "bounced", "deferred", "dead", "delivered",
    }  # fmt: skip
    reasons = {h["tocsin-reason"].decode() for topic, _, h in seen.records if topic == "dispatch.dead-letter"}
    assert reasons >= {"invalid_data", "unknown_type", "invalid_json", "render_failed"}


def test_no_log_line_names_a_person(seen: Observations) -> None:
    """At INFO and above, each line of every process is JSON, and holds neither address nor name, whatever failed."""
    assert all("info" in {line["level"] for line in seen.logs[process]} for process in ("worker", "api"))
    for process, lines in seen.logs.items():
        assert lines, process
        for line in lines:
            logged = json.dumps(line, ensure_ascii=False).lower()
            assert not [text for text in PERSONAL_TEXTS if text in logged], f"{process}: {line}"
    assert not [text for text in PERSONAL_TEXTS if text in seen.printed.lower()]


def test_no_metric_and_no_span_names_a_person(seen: Observations) -> None:
    """Personal data are neither in labels nor in attributes."""
    assert "tocsin_http_requests_total" in seen.metrics
    assert "tocsin_outcomes_total" in seen.metrics
    assert {span["name"] for span in seen.spans} >= {"resolve", "deliver email", "deliver inbox"}
    for text in PERSONAL_TEXTS:
        assert text not in seen.metrics.lower()
        assert not [span for span in seen.spans if text in str(span).lower()]


def test_deferred_mail_shows_its_age(seen: Observations) -> None:
    """The greylisted message is deferred in its lane and in no other; no message is held."""
    samples = re.findall(r"^tocsin_oldest_open_seconds\{(.*)\} (\S+)$", seen.metrics, re.MULTILINE)
    ages = {tuple(re.findall(r'"(\w*)"', labels)): float(age) for labels, age in samples}
    deferred = {lane: ages[lane, "schedule", "deferred"] > 0 for lane in Lane}
    assert deferred == {lane: lane is load_catalogue(templates_directory())["winner"].lane for lane in Lane}
    assert {ages[lane, "email", "held"] for lane in Lane} == {0.0}
    assert {ages[lane, stage, state] >= 0 for lane, stage, state in ages} == {True}


def test_the_export_holds_everything(seen: Observations) -> None:
    """The row, the inbox, the ledger with history, the deferred delivery, and Kafka's records with this key."""
    export = seen.exported
    assert [(row["id"], row["address"]) for row in export["recipients"]] == [
        ("greylisted", address("greylisted"))
    ]
    assert export["recipients"][0]["name"] == f"{NAME} greylisted"
    assert len(export["inbox"]) == 1
    assert sorted(entry["steps"][0]["state"] for entry in export["ledger"]) == ["deferred", "delivered"]
    assert len(export["due"]) == 1
    topics = {record["topic"].partition(".")[2].split(".")[1] for record in export["kafka"]}
    assert topics >= {"inbox", "outcomes", "email"}
    others = [name for name in PEOPLE if name != "greylisted" and address(name) in json.dumps(export)]
    assert others == []


def test_erased_is_gone_from_redis(seen: Observations) -> None:
    """Rows, inbox, ledger, index and due set of the erased people, and of no others."""
    assert seen.erased["greylisted"] == {"recipients": 1, "stopped": 2, "inbox": 1, "ledger": 2}
    assert seen.erased["fine"] == {"recipients": 1, "stopped": 1, "inbox": 1, "ledger": 2}
    assert seen.erased["team"] == {"groups": 1, "ledger": 1}
    assert seen.erased["contact"] == {"contacts": 1, "ledger": 1}
    assert seen.suppressed == [True, True, False]  # by hashes, which erasing leaves
    assert {name: keys for name, keys in seen.left.items() if name in ERASED and keys} == {}
    assert seen.left["unrenderable"]


def test_the_operation_log_names_no_person(seen: Observations) -> None:
    """dispatch.audit holds digests, and suppressions hold hashes of the addresses that failed."""
    operations = [value or b"" for topic, value, _ in seen.records if topic == "dispatch.audit"]
    assert len(operations) >= 8
    assert not [
        value for value in operations if any(text.encode() in value.lower() for text in PERSONAL_TEXTS)
    ]
    suppressions = [value or b"" for topic, value, _ in seen.records if topic == "tables.suppressions"]
    assert len(suppressions) >= 2
    assert not [v for v in suppressions if any(text.encode() in v.lower() for text in PERSONAL_TEXTS)]


def test_every_record_is_as_documented(seen: Observations) -> None:
    """Every record of every topic satisfies one message of docs/events/asyncapi.json; only the bad row does not."""
    undocumented = [
        (topic, value, headers)
        for topic, value, headers in seen.records
        if topic != "events" and len(matching_messages(topic, value, headers)) != 1
    ]
    assert [(t, v) for t, v, _ in undocumented] == [("tables.recipients", _bad_row(seen))]
    topics = {topic for topic, _, _ in seen.records}
    assert topics >= {
        "dispatch.inbox", "dispatch.outcomes", "dispatch.dead-letter", "dispatch.withdrawals", "dispatch.audit",
        "tables.recipients", "tables.groups", "tables.contacts", "tables.suppressions", "tables.accounts",
    }  # fmt: skip
    valid_events = [
        v
        for t, v, h in seen.records
        if t == "events" and v and v.endswith(b"}") and matching_messages(t, v, h)
    ]
    assert len(valid_events) == len(PEOPLE) + 4


def _bad_row(seen: Observations) -> bytes | None:
    (value,) = [v for t, v, _ in seen.records if t == "tables.recipients" and v and b'"bad"' in v]
    return value


def test_the_search_finds_personal_data(seen: Observations) -> None:
    """The checks above can fail: the records that are kept for delivery do name the people."""
    assert [v for t, v, _ in seen.records if t.startswith("dispatch.email") and v and STEM.encode() in v]
    assert isinstance(seen.exported, Mapping)
