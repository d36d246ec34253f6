"""`tocsin publish` and `tocsin tail`: `tail` shows the records that `publish` writes."""

import asyncio
import json
import signal
from pathlib import Path

from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.reasons import DeadReason, Reason
from service.model.record import Message
from service.model.topics import TopicNames
from streams.kafka.connection import kafka_connection
from streams.reader.publish_once import publish_once
from tests.e2e.cli.tocsin import Tocsin, stderr_lines


def _write(tocsin: Tocsin, topic: str, *messages: Message) -> None:
    async def write() -> None:
        async for _ in publish_once(kafka_connection(tocsin.settings.kafka), topic, [messages]):
            pass

    asyncio.run(write())


def test_a_published_event_is_at_the_printed_position(ready: Tocsin) -> None:
    """Id, partition and offset are those of the record; the record is a structured CloudEvent."""
    published = ready.run("publish", "overbid", "--sample", "--recipient", "zoe", "--id", "e1", "--json")

    assert published.code == 0, published.err
    (position,) = published.documents
    (record,) = ready.run("tail", "events", "--from-beginning", "--until-end", "--json").documents
    assert (record["topic"], record["partition"], record["offset"]) == (
        position["topic"],
        position["partition"],
        position["offset"],
    )
    assert (record["event"], record["value"]["id"], record["recipient"]) == (position["event"], "e1", "zoe")
    assert record["headers"]["content-type"].startswith("application/cloudevents+json")


def test_many_events_have_ids_of_their_own(ready: Tocsin) -> None:
    """More than one batch; each event once; events of one recipient keep their order."""
    published = ready.run("publish", "overbid", "--sample", "--id", "n", "--count", "1203")

    assert published.code == 0, published.err
    assert [line.split()[0] for line in published.out.splitlines()] == [f"n-{n}" for n in range(1, 1204)]
    records = ready.run("tail", "events", "--from-beginning", "--until-end", "--json").documents
    assert [record["value"]["id"] for record in records] == [f"n-{n}" for n in range(1, 1204)]


def test_an_invalid_event_is_refused_and_nothing_is_written(ready: Tocsin, tmp_path: Path) -> None:
    """The error has the reason code that a dead letter would have; similar type names are suggested."""
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
    for arguments, stdin, words in cases:
        result = ready.run("publish", *arguments, stdin=stdin)

        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
        assert all(word in result.err for word in words), result.err

    assert ready.run("tail", "events", "--from-beginning", "--until-end", "--json").out == ""


def test_tail_filters_and_masks(ready: Tocsin) -> None:
    """Each filter selects its records; addresses are printed only with --show-personal."""
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

    def shown(*filters: str) -> list[str]:
        begin = () if "--since" in filters else ("--from-beginning",)
        result = ready.run("tail", *begin, "--until-end", "--json", *filters)
        assert result.code == 0, result.err
        assert "example.com" not in result.out
        return sorted(
            r["value"]["delivery"] if isinstance(r["value"], dict) else r["reason"] for r in result.documents
        )

    assert shown() == ["d1", "d2", "d3", "invalid_json"]
    assert shown("--type", "winner") == ["d2", "d3"]
    assert shown("--recipient", "alice", "--recipient", "bob", "--channel", "email") == ["d1", "d2"]
    assert shown("--state", "bounced") == ["d2"]
    assert shown("--state", "dead") == ["invalid_json"]
    assert shown("--event", "e1") == ["d1"]
    assert shown("--event", "k2") == ["d2", "d3"]
    assert shown("--reason", "mailbox_unknown") == ["d2"]
    assert shown("--since", "1h") == ["d1", "d2", "d3", "invalid_json"]
    assert shown("--since", "2100-01-01T00:00:00Z") == []
    assert len(shown("--limit", "2")) == 2

    plain = ready.run("tail", "--from-beginning", "--until-end")
    personal = ready.run("tail", "--from-beginning", "--until-end", "--show-personal")
    assert "example.com" not in plain.out
    assert "b•••@e•••.com" in plain.out
    assert f"mailbox_unknown: {Reason.mailbox_unknown.text}" in plain.out
    assert f"invalid_json: {DeadReason.invalid_json.text}" in plain.out
    assert "550 5.1.1 <bob@example.com>: unknown" in personal.out
    assert "\x1b" not in plain.out


def test_tail_follows_until_it_is_stopped(ready: Tocsin) -> None:
    """A later record is shown at once, also in a pipe; Ctrl-C ends it with exit code 0 and no output on stderr."""
    process = ready.start("tail", "events", "--since", "1h", "--json")
    try:
        for name in ("first", "second"):
            assert ready.run("publish", "overbid", "--sample", "--id", name).code == 0
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["value"]["id"] == name
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert stderr_lines(process) == []
    finally:
        process.kill()
        process.wait()


def test_a_closed_pipe_ends_it_quietly(ready: Tocsin) -> None:
    """`tocsin … | head -1` ends with exit code 0 and no output on stderr."""
    assert ready.run("publish", "overbid", "--sample", "--count", "3000").code == 0
    process = ready.start("tail", "events", "--from-beginning", "--until-end", "--json")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert stderr_lines(process) == []
    finally:
        process.kill()
        process.wait()


def test_an_unknown_topic_is_one_line(ready: Tocsin) -> None:
    """With a remedy."""
    result = ready.run("tail", "no.such")

    assert result.code == 1
    assert result.err.startswith("tocsin: there is no topic no.such; ")
