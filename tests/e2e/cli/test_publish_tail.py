"""`tocsin publish` and `tocsin tail`: what one writes, the other shows."""

import asyncio
import json
import signal
from pathlib import Path

from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.model.topics import TopicNames
from streams.kafka.connection import kafka_connection
from streams.reader.publish_once import publish_once
from tests.e2e.cli.tocsin import Tocsin, last_words


def _write(tocsin: Tocsin, topic: str, *messages: Message) -> None:
    async def write() -> None:
        async for _ in publish_once(kafka_connection(tocsin.settings.kafka), topic, [messages]):
            pass

    asyncio.run(write())


def test_a_published_event_is_seen_where_it_was_said_to_be(ready: Tocsin) -> None:
    """Id, partition and offset are those of the record; the record is a structured CloudEvent."""
    told = ready.run("publish", "overbid", "--sample", "--recipient", "zoe", "--id", "e1", "--json")

    assert told.code == 0, told.err
    (at,) = told.documents
    (seen,) = ready.run("tail", "events", "--from-beginning", "--until-end", "--json").documents
    assert (seen["topic"], seen["partition"], seen["offset"]) == (at["topic"], at["partition"], at["offset"])
    assert (seen["event"], seen["value"]["id"], seen["recipient"]) == (at["event"], "e1", "zoe")
    assert seen["headers"]["content-type"].startswith("application/cloudevents+json")


def test_many_events_have_ids_of_their_own(ready: Tocsin) -> None:
    """More than one batch, each event once, those of one recipient in their order."""
    told = ready.run("publish", "overbid", "--sample", "--id", "n", "--count", "1203")

    assert told.code == 0, told.err
    assert [line.split()[0] for line in told.out.splitlines()] == [f"n-{n}" for n in range(1, 1204)]
    seen = ready.run("tail", "events", "--from-beginning", "--until-end", "--json").documents
    assert [record["value"]["id"] for record in seen] == [f"n-{n}" for n in range(1, 1204)]


def test_a_wrong_event_is_refused_and_nothing_is_written(ready: Tocsin, tmp_path: Path) -> None:
    """The reason code is the one that the dead letter would have; near names are offered."""
    twice = tmp_path / "twice.json"
    twice.write_text('{"lot_id": "1", "lot_id": "2"}')
    cases = [
        (("overbidd",), b"", ("unknown_type", "did you mean overbid")),
        (("overbid", "--recipient", "a"), b"", ("invalid_data", "lot_id")),
        (("overbid", "--data", '{"lot_id": "1"}'), b"", ("missing_audience", "--recipient")),
        (("overbid", "--data", f"@{twice}"), b"", ("duplicate_key", "lot_id")),
        (("overbid", "--data", "-"), b'{"lot_id": NaN}', ("not_a_number",)),
        (("overbid", "--data", "[1]"), b"", ("invalid_data",)),
        (("overbid", "--data", "@/no/such"), b"", ("cannot be read",)),
        (("overbid", "--sample", "--topic", "no.such"), b"", ("there is no topic no.such", "topics apply")),
    ]
    for arguments, given, words in cases:
        ended = ready.run("publish", *arguments, given=given)

        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert all(word in ended.err for word in words), ended.err

    assert ready.run("tail", "events", "--from-beginning", "--until-end", "--json").out == ""


def test_tail_filters_and_masks(ready: Tocsin) -> None:
    """Each filter lets through what it names; addresses are nowhere unless asked for."""
    topics = TopicNames(ready.prefix)
    outcomes = [
        Outcome("d1", "k1", "overbid", "alice", "email", State.sent, 1, relay="r", reply="250 ok", event_id="e1"),
        Outcome(
            "d2", "k2", "winner", "bob", "email", State.bounced, 2, Reason.mailbox_unknown,
            reply="550 5.1.1 <bob@example.com>: unknown", detail="bob@example.com",
        ),
        Outcome("d3", "k2", "winner", "bob", "inbox", State.delivered, 3),
    ]  # fmt: skip
    _write(
        ready,
        topics.outcomes,
        *(Message(topics.outcomes, b"bob@example.com", o.to_bytes()) for o in outcomes),
    )
    _write(
        ready,
        topics.dead_letter,
        Message(
            topics.dead_letter, b"x", b'{"to": "carol@example.com"', (("tocsin-reason", b"invalid_json"),)
        ),
    )

    def seen(*filters: str) -> list[str]:
        begin = () if "--since" in filters else ("--from-beginning",)
        shown = ready.run("tail", *begin, "--until-end", "--json", *filters)
        assert shown.code == 0, shown.err
        assert "example.com" not in shown.out
        return sorted(
            r["value"]["delivery"] if isinstance(r["value"], dict) else r["reason"] for r in shown.documents
        )

    assert seen() == ["d1", "d2", "d3", "invalid_json"]
    assert seen("--type", "winner") == ["d2", "d3"]
    assert seen("--recipient", "alice", "--recipient", "bob", "--channel", "email") == ["d1", "d2"]
    assert seen("--state", "bounced") == ["d2"]
    assert seen("--state", "dead") == ["invalid_json"]
    assert seen("--event", "e1") == ["d1"]
    assert seen("--event", "k2") == ["d2", "d3"]
    assert seen("--reason", "mailbox_unknown") == ["d2"]
    assert seen("--since", "1h") == ["d1", "d2", "d3", "invalid_json"]
    assert seen("--since", "2100-01-01T00:00:00Z") == []
    assert len(seen("--limit", "2")) == 2

    plain = ready.run("tail", "--from-beginning", "--until-end")
    shown = ready.run("tail", "--from-beginning", "--until-end", "--show-personal")
    assert "example.com" not in plain.out
    assert "b•••@e•••.com" in plain.out
    assert "550 5.1.1 <bob@example.com>: unknown" in shown.out
    assert "\x1b" not in plain.out


def test_tail_follows_until_it_is_told_to_stop(ready: Tocsin) -> None:
    """A record written later is shown at once, in a pipe too; Ctrl-C ends with 0 and without a word."""
    process = ready.start("tail", "events", "--since", "1h", "--json")
    try:
        for name in ("first", "second"):
            assert ready.run("publish", "overbid", "--sample", "--id", name).code == 0
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["value"]["id"] == name
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert last_words(process) == []
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_has_seen_enough_ends_it_quietly(ready: Tocsin) -> None:
    """`tocsin … | head -1` ends without a complaint."""
    assert ready.run("publish", "overbid", "--sample", "--count", "3000").code == 0
    process = ready.start("tail", "events", "--from-beginning", "--until-end", "--json")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert last_words(process) == []
    finally:
        process.kill()
        process.wait()


def test_an_unknown_topic_is_one_line(ready: Tocsin) -> None:
    """With what to do about it."""
    ended = ready.run("tail", "no.such")

    assert ended.code == 1
    assert ended.err.startswith("tocsin: there is no topic no.such; ")
