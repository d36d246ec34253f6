"""A person nobody else is called like goes through the whole line, in every way that can fail, and is looked for after.

Not in logs, metrics or traces; whole in the export; gone after erasing. And every record on the way is as documented.
"""

import asyncio
import json
import re
from collections.abc import Mapping

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.model.catalogue import Lane
from service.settings import templates_directory
from tests.support.asyncapi_schema import messages_of
from tests.support.personal_data import ERASED, NAME, PEOPLE, STEM, TELLTALES, Seen, address, look

pytestmark = pytest.mark.timeout(300)  # whichever comes first waits for the whole line


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One line for all that follows."""
    return asyncio.run(look(tmp_path_factory.mktemp("canary")))


def test_the_canaries_met_every_fate(seen: Seen) -> None:
    """Else nothing below would say much."""
    assert {state for states in seen.states.values() for state in states} >= {
        "sent", "bounced", "deferred", "dead", "delivered",
    }  # fmt: skip
    reasons = {h["tocsin-reason"].decode() for topic, _, h in seen.records if topic == "dispatch.dead-letter"}
    assert reasons >= {"invalid_data", "unknown_type", "invalid_json", "render_failed"}


def test_no_log_line_names_them(seen: Seen) -> None:
    """At INFO and above, of no process, whatever failed: each line is JSON, without their address or name."""
    assert {"info"} <= {row["level"] for row in seen.logs["worker"]} & {
        row["level"] for row in seen.logs["api"]
    }
    for process, rows in seen.logs.items():
        assert rows, process
        for row in rows:
            told = json.dumps(row, ensure_ascii=False).lower()
            assert not [text for text in TELLTALES if text in told], f"{process}: {row}"
    assert not [text for text in TELLTALES if text in seen.printed.lower()]


def test_no_metric_and_no_span_names_them(seen: Seen) -> None:
    """Neither labels nor attributes."""
    assert "tocsin_http_requests_total" in seen.metrics
    assert "tocsin_outcomes_total" in seen.metrics
    assert {span["name"] for span in seen.spans} >= {"resolve", "deliver email", "deliver inbox"}
    for text in TELLTALES:
        assert text not in seen.metrics.lower()
        assert not [span for span in seen.spans if text in str(span).lower()]


def test_waiting_mail_shows_its_age(seen: Seen) -> None:
    """The greylisted one stands as deferred in its lane and no other; nobody's mail is held."""
    rows = re.findall(r"^tocsin_oldest_open_seconds\{(.*)\} (\S+)$", seen.metrics, re.MULTILINE)
    ages = {tuple(re.findall(r'"(\w*)"', labels)): float(age) for labels, age in rows}
    put_off = {lane: ages[lane, "schedule", "deferred"] > 0 for lane in Lane}
    assert put_off == {lane: lane is load_catalogue(templates_directory())["winner"].lane for lane in Lane}
    assert {ages[lane, "email", "held"] for lane in Lane} == {0.0}
    assert {ages[lane, stage, state] >= 0 for lane, stage, state in ages} == {True}


def test_the_export_holds_everything(seen: Seen) -> None:
    """Row, inbox, ledger with history, the mail that waits, and what Kafka has with this key."""
    kept = seen.exported
    assert [(row["id"], row["address"]) for row in kept["recipients"]] == [
        ("greylisted", address("greylisted"))
    ]
    assert kept["recipients"][0]["name"] == f"{NAME} greylisted"
    assert len(kept["inbox"]) == 1
    assert sorted(entry["steps"][0]["state"] for entry in kept["ledger"]) == ["deferred", "delivered"]
    assert len(kept["due"]) == 1
    topics = {record["topic"].partition(".")[2].split(".")[1] for record in kept["kafka"]}
    assert topics >= {"inbox", "outcomes", "email"}
    others = [who for who in PEOPLE if who != "greylisted" and address(who) in json.dumps(kept)]
    assert others == []


def test_erased_is_gone_from_redis(seen: Seen) -> None:
    """Rows, inbox, ledger, index and due set of those who were erased, and of nobody else."""
    assert seen.erased["greylisted"] == {"recipients": 1, "stopped": 2, "inbox": 1, "ledger": 2}
    assert seen.erased["fine"] == {"recipients": 1, "stopped": 1, "inbox": 1, "ledger": 2}
    assert seen.erased["team"] == {"groups": 1, "ledger": 1}
    assert seen.erased["contact"] == {"contacts": 1, "ledger": 1}
    assert seen.suppressed == [True, True, False]  # by hashes, which erasing leaves
    assert {who: keys for who, keys in seen.left.items() if who in ERASED and keys} == {}
    assert seen.left["kaputt"]


def test_what_operators_did_names_nobody(seen: Seen) -> None:
    """dispatch.audit has digests; suppressions have hashes of the addresses that failed."""
    told = [value or b"" for topic, value, _ in seen.records if topic == "dispatch.audit"]
    assert len(told) >= 8
    assert not [value for value in told if any(text.encode() in value.lower() for text in TELLTALES)]
    suppressions = [value or b"" for topic, value, _ in seen.records if topic == "tables.suppressions"]
    assert len(suppressions) >= 2
    assert not [v for v in suppressions if any(text.encode() in v.lower() for text in TELLTALES)]


def test_every_record_is_as_documented(seen: Seen) -> None:
    """What the line wrote is what docs/events/asyncapi.json says, on every topic that has something."""
    unfit = [
        (topic, value, headers)
        for topic, value, headers in seen.records
        if topic != "events" and len(messages_of(topic, value, headers)) != 1
    ]
    assert [(t, v) for t, v, _ in unfit] == [("tables.recipients", _the_bad_row(seen))]
    found = {topic for topic, _, _ in seen.records}
    assert found >= {
        "dispatch.inbox", "dispatch.outcomes", "dispatch.dead-letter", "dispatch.withdrawals", "dispatch.audit",
        "tables.recipients", "tables.groups", "tables.contacts", "tables.suppressions", "tables.accounts",
    }  # fmt: skip
    good = [
        v for t, v, h in seen.records if t == "events" and v and v.endswith(b"}") and messages_of(t, v, h)
    ]
    assert len(good) == len(PEOPLE) + 4


def _the_bad_row(seen: Seen) -> bytes | None:
    (value,) = [v for t, v, _ in seen.records if t == "tables.recipients" and v and b'"bad"' in v]
    return value


def test_nothing_else_is_shown(seen: Seen) -> None:
    """The checks above can fail: what is kept for delivery does name them."""
    assert [v for t, v, _ in seen.records if t.startswith("dispatch.email") and v and STEM.encode() in v]
    assert isinstance(seen.exported, Mapping)
