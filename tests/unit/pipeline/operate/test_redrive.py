"""Redrive: written back byte for byte, the ledger first; the status of a dead letter is in the operation log alone."""

from collections.abc import Mapping

import pytest

from service.model.catalogue import Catalogue
from service.model.dead_letter import DeadLetter
from service.model.ids import event_key
from service.model.ledger import State, Transition
from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.reasons import DeadReason, Reason
from service.model.record import Message, PartialValue, Record
from service.pipeline.messages import dead_letter as dead_letter_message
from service.pipeline.operate.audit_log import AuditLog, DeadLetterStatus, OperationLog, operations_in
from service.pipeline.operate.redrive import REDRIVEN, Redriver, discard
from service.ports import RenderFailed, Unavailable
from tests.support.fake_pipeline import TOPICS, FakePipeline


def operation_log(pipeline: FakePipeline, kind: OperationKind = OperationKind.redrive) -> OperationLog:
    return OperationLog(
        pipeline, TOPICS.audit, pipeline.clock, operator="ops", kind=kind, filters={"reason": ["x"]}
    )


def dead_letters(pipeline: FakePipeline) -> list[DeadLetter]:
    return [DeadLetter.from_record(record) for record in pipeline.records(TOPICS.dead_letter)]


async def statuses_of(pipeline: FakePipeline) -> Mapping[str, DeadLetterStatus]:
    return await AuditLog(pipeline.log, TOPICS.audit).dead_letter_statuses()


def redriver(pipeline: FakePipeline) -> Redriver:
    return Redriver(pipeline.ledger, pipeline, pipeline.log, TOPICS, pipeline.clock)


async def render_failure(pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one dead letter: an email that could not be rendered."""
    await pipeline.seed()
    await pipeline.ingest({"id": "1", "type": "reset_password", "recipients": ["alice"]})
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.renderer, "email", _fail)
        await pipeline.deliver()


def _fail(*_: object) -> bytes:
    raise RenderFailed("no such field")


def test_the_original_comes_out_as_it_went_in() -> None:
    """Key, bytes and headers are those of the refused record; the `tocsin-` headers are removed."""
    headers = (("ce_type", b"com.x.overbid"), ("n", None), ("n", b""), ("tocsin-reason", b"theirs"))
    record = Record("events", 2, 7, 5, None, b"\xff{", headers)
    message = dead_letter_message(TOPICS.dead_letter, "resolve", record, ValueError())
    dead_letter = DeadLetter.from_record(
        Record(TOPICS.dead_letter, 1, 3, 9, message.key, message.value, message.headers)
    )

    assert dead_letter.original() == Message("events", None, b"\xff{", headers)
    assert (dead_letter.id, dead_letter.place, dead_letter.stage) == (
        "dispatch.dead-letter:1:3",
        "2:7",
        "resolve",
    )
    assert (dead_letter.type, dead_letter.reason) == ("overbid", "unprocessable")


async def test_an_event_goes_back_and_is_logged() -> None:
    """The record is on its topic again, and the dead letter is redriven, with the operator."""
    pipeline = FakePipeline()
    await pipeline.ingest(b"{", {"id": "1", "type": "no_such"})
    (first, second) = dead_letters(pipeline)

    assert await redriver(pipeline)([second], operation_log(pipeline)) == {REDRIVEN: 1}

    assert [m.value for m in pipeline.topics["events"]] == [second.record.value]
    statuses = await statuses_of(pipeline)
    assert first.id not in statuses
    assert (statuses[second.id].operation, statuses[second.id].operator) == (OperationKind.redrive, "ops")


@pytest.mark.parametrize("value", [None, b""])
def test_null_stays_null_and_empty_stays_empty(value: bytes | None) -> None:
    """In the dead letter and in the original that is written back, keys and values are as they were."""
    record = Record("events", 0, 0, 5, value, value)
    message = dead_letter_message(TOPICS.dead_letter, "resolve", record, ValueError())
    again = dead_letter_message(
        TOPICS.dead_letter,
        "x",
        Record("d", 0, 1, 5, message.key, message.value, message.headers),
        ValueError(),
    )
    outer = DeadLetter.from_record(Record("d", 0, 2, 5, again.key, again.value, again.headers)).original()
    inner = DeadLetter.from_record(Record("d", 0, 1, 5, outer.key, outer.value, outer.headers))
    assert outer.headers == message.headers
    assert inner.original() == Message("events", value, value, ())


async def test_the_original_of_a_large_dead_letter_is_read_where_it_was() -> None:
    """A dead letter holds the first 4 KiB of a large record; the redrive writes the whole one, if it is still there."""
    pipeline, large = FakePipeline(), b'{"id": "' + b"x" * 300_000 + b'"}'
    pipeline.topics["events"] = [
        Message("events", b"k", b"other"),
        Message("events", b"k", large, [("h", None)]),
    ]
    kept, changed, gone = (
        dead_letter_message(
            TOPICS.dead_letter,
            "resolve",
            Record("events", 0, offset, 5, b"k", large, [("h", None)]),
            ValueError(),
        )
        for offset in (1, 0, 7)
    )
    assert len(kept.value or b"") == 4096
    pipeline.topics[TOPICS.dead_letter] = [kept, changed, gone]

    counts = await redriver(pipeline)(dead_letters(pipeline), operation_log(pipeline))

    assert counts == {
        REDRIVEN: 1,
        "another record by now: its topic was recreated": 1,
        "no longer in its topic": 1,
    }
    assert pipeline.topics["events"][2:] == [Message("events", b"k", large, [("h", None)])]
    statuses = await statuses_of(pipeline)
    assert list(statuses) == [f"{TOPICS.dead_letter}:0:0"]


def test_a_dead_letter_is_small_whatever_its_original() -> None:
    """Huge keys, headers and values, and records that were not read at all: the dead letter says what they were."""
    partial = PartialValue(
        b"x" * 9000, reason=DeadReason.too_large, detail="d", size=10**9, sha256="ab", last_offset=9
    )
    for record in (
        Record("events", 0, 0, 5, b"k" * 10**6, b"v"),
        Record("events", 0, 0, 5, None, b"v", [("h", b"v" * 1000)] * 10**4),
        Record("events", 0, 0, 5, None, b"v", [("", None)] * 10**4),
        Record("events", 0, 0, 5, b"k", b"v" * 10**6),
        Record("events", 0, 0, 5, b"k", partial),
    ):
        message = dead_letter_message(TOPICS.dead_letter, "resolve", record, ValueError())
        headers = sum(len(name) + len(value or b"") for name, value in message.headers)
        assert len(message.key or b"") + len(message.value or b"") + headers < 20_000
        letter = DeadLetter.from_record(Record("d", 0, 0, 5, message.key, message.value, message.headers))
        assert letter.partial
        assert (letter.size, letter.last_offset) in [(1, None), (10**6, None), (10**9, 9)]


async def test_a_dead_email_is_queued_before_it_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered now, it is sent once; the ledger says that it was replayed, and by which operator."""
    pipeline = FakePipeline()
    await render_failure(pipeline, monkeypatch)
    (dead_letter,) = dead_letters(pipeline)
    before = len(pipeline.email_records())

    assert await redriver(pipeline)([dead_letter], operation_log(pipeline)) == {REDRIVEN: 1}
    assert (await pipeline.states("1"))["alice", "email"] == ("queued", "replayed")
    await pipeline.run(
        pipeline.deliver_email, [r._replace(offset=0) for r in pipeline.email_records()[before:]]
    )

    assert (await pipeline.states("1"))["alice", "email"] == ("sent", "")
    assert [m.recipient for m in pipeline.transport.accepted] == ["alice@example.com"]
    queued = next(o for o in pipeline.outcomes() if o.reason is Reason.replayed)
    assert queued.detail.startswith("redriven by ops, ")


async def test_a_delivery_that_ended_since_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead letter stays open, as does one whose delivery is no longer in the ledger."""
    pipeline = FakePipeline()
    await render_failure(pipeline, monkeypatch)
    (dead_letter,) = dead_letters(pipeline)
    (entry,) = [e async for e in pipeline.ledger.entries(_event(dead_letter))]
    for to in (State.queued, State.sending, State.sent):
        await pipeline.ledger.transition([Transition(entry.event, entry.delivery, to, Reason.none, 9)])
    other = event_key("/t", "another")
    value = (dead_letter.record.value or b"").replace(entry.event.encode(), other.encode())
    gone = DeadLetter.from_record(dead_letter.record._replace(offset=99, value=value))

    counts = await redriver(pipeline)([dead_letter, gone], operation_log(pipeline))

    assert counts == {"sent by now": 1, "not in the ledger any more": 1, REDRIVEN: 0}
    assert (await statuses_of(pipeline)) == {}
    assert len(pipeline.email_records()) == 1


async def test_cut_off_before_kafka_has_it_a_dead_letter_stays_open() -> None:
    """The original comes before the operation log: after a crash in between it can be redriven again without harm."""
    pipeline = FakePipeline()
    await pipeline.ingest(b"{")

    class UnavailablePublisher:
        async def publish(self, messages: object) -> None:
            raise Unavailable("Kafka is unavailable")

    work = Redriver(pipeline.ledger, UnavailablePublisher(), pipeline.log, TOPICS, pipeline.clock)
    with pytest.raises(Unavailable):
        await work(dead_letters(pipeline), operation_log(pipeline))

    assert (await statuses_of(pipeline)) == {}


async def test_discarding_is_a_record_and_nothing_else() -> None:
    """The dead letter stays where it is; its latest operation counts."""
    pipeline = FakePipeline()
    await pipeline.ingest(b"{")
    selected = dead_letters(pipeline)
    await redriver(pipeline)(selected, operation_log(pipeline))
    pipeline.clock.advance(1000)
    await discard(selected, operation_log(pipeline, OperationKind.discard))

    assert (await statuses_of(pipeline))[selected[0].id].operation is OperationKind.discard
    assert [(x.id, x.original()) for x in dead_letters(pipeline)] == [(x.id, x.original()) for x in selected]


def test_an_operation_survives_the_topic() -> None:
    """Read as it was written; records that are no operation are skipped."""
    operation = Operation(
        "i",
        OperationKind.redrive,
        OperationPhase.part,
        "ops",
        0,
        {"type": ["a"]},
        {"redriven": 1},
        ("t:0:1",),
    )
    assert Operation.from_bytes(operation.to_bytes()) == operation
    junk = [
        Record("a", 0, 0, 0, None, value) for value in (None, b"{", b"[]", b'{"id": 1}', b'{"action": "x"}')
    ]
    assert list(operations_in(junk)) == []


def _event(dead_letter: DeadLetter) -> str:
    import json

    return str(json.loads(dead_letter.record.value or b"")["event"])


async def test_deliveries_of_a_removed_type_are_sent_when_it_is_back() -> None:
    """Until then they are dead, and the ledger says why; records that are read again change nothing."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest({"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}})
    declared = pipeline.catalogue
    pipeline.catalogue = Catalogue({type_.name: type_ for type_ in declared if type_.name != "winner"})
    pipeline.build("worker-1")

    for _ in range(2):
        await pipeline.deliver()
        states = await pipeline.states("1")
        assert set(states.values()) == {("dead", "type_removed")}, states
    assert [letter.reason for letter in dead_letters(pipeline)] == ["unknown_type"] * 4
    assert [(o.channel, o.state, o.reason) for o in pipeline.outcomes()[-2:]] == [
        ("inbox", State.dead, Reason.type_removed),
        ("email", State.dead, Reason.type_removed),
    ]

    pipeline.catalogue = declared
    pipeline.build("worker-2")
    await redriver(pipeline)(dead_letters(pipeline)[:2], operation_log(pipeline))
    await pipeline.deliver()

    states = await pipeline.states("1")
    assert (states["alice", "email"], states["alice", "inbox"]) == (("sent", ""), ("delivered", ""))
    assert len(pipeline.transport.accepted) == 1


async def test_a_delivery_that_was_sent_before_its_type_was_removed_stays_sent() -> None:
    """Its record, read again, is no dead letter."""
    pipeline = FakePipeline()
    await pipeline.seed()
    await pipeline.ingest({"id": "1", "type": "winner", "recipients": ["alice"], "data": {"lot_id": "7"}})
    await pipeline.deliver()
    pipeline.catalogue = Catalogue({t.name: t for t in pipeline.catalogue if t.name != "winner"})
    pipeline.build("worker-1")

    await pipeline.deliver()

    assert {state for state, _ in (await pipeline.states("1")).values()} == {"sent", "delivered"}
    assert dead_letters(pipeline) == []
