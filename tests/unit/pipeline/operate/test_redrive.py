"""Dead letters: sent back byte for byte, the ledger first; what was done to each is told by the audit topic alone."""

import pytest

from service.model.dead_letter import DeadLetter, letter_of
from service.model.ledger import State, Transition
from service.model.operation import Operation, OperationKind, OperationPhase
from service.model.reasons import Reason
from service.model.record import Message, Record
from service.pipeline.messages import dead_letter
from service.pipeline.operate.audit_log import OperationLog, dead_letter_statuses
from service.pipeline.operate.redrive import REDRIVEN, Redriver, discard
from service.ports import RenderFailed, Unavailable
from tests.support.fake_pipeline import TOPICS, FakePipeline


def trail(line: FakePipeline, action: OperationKind = OperationKind.redrive) -> OperationLog:
    return OperationLog(line, TOPICS.audit, line.clock, who="ops", action=action, asked={"reason": ["x"]})


def letters(line: FakePipeline) -> list[DeadLetter]:
    return [letter_of(record) for record in line.records(TOPICS.dead_letter)]


def redriving(line: FakePipeline) -> Redriver:
    return Redriver(line.ledger, line, TOPICS, line.clock)


async def unrendered(line: FakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mail that could not be rendered, once."""
    await line.seed()
    await line.ingest({"id": "1", "type": "reset_password", "recipients": ["alice"]})
    with monkeypatch.context() as broken:
        broken.setattr(line.renderer, "email", _fail)
        await line.deliver()


def _fail(*_: object) -> bytes:
    raise RenderFailed("no such field")


def test_the_original_comes_out_as_it_went_in() -> None:
    """Key, bytes and headers are those of the record that died; ours are gone."""
    record = Record("events", 2, 7, 5, None, b"\xff{", (("ce_type", b"com.x.overbid"), ("n", b"\x00")))
    message = dead_letter(TOPICS.dead_letter, "resolve", record, ValueError())
    letter = letter_of(Record(TOPICS.dead_letter, 1, 3, 9, message.key, message.value, message.headers))

    assert letter.original() == Message(
        "events", b"", b"\xff{", [("ce_type", b"com.x.overbid"), ("n", b"\x00")]
    )
    assert (letter.id, letter.place, letter.stage) == ("dispatch.dead-letter:1:3", "2:7", "resolve")
    assert (letter.type, letter.reason) == ("overbid", "unprocessable")


async def test_an_event_goes_back_and_is_told() -> None:
    """It is on its topic again, and its letter is redriven, by whom and why."""
    line = FakePipeline()
    await line.ingest(b"{", {"id": "1", "type": "no_such"})
    (first, second) = letters(line)

    assert await redriving(line)([second], trail(line)) == {REDRIVEN: 1}

    assert [m.value for m in line.topics["events"]] == [second.record.value]
    told = dead_letter_statuses(line.records(TOPICS.audit))
    assert first.id not in told
    assert (told[second.id].action, told[second.id].who) == (OperationKind.redrive, "ops")


async def test_a_dead_mail_is_queued_before_it_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered at last, it is sent once; the ledger says that it was replayed, and by whom."""
    line = FakePipeline()
    await unrendered(line, monkeypatch)
    (letter,) = letters(line)
    before = len(line.email_records())

    assert await redriving(line)([letter], trail(line)) == {REDRIVEN: 1}
    assert (await line.states("1"))["alice", "email"] == ("queued", "replayed")
    await line.run(line.deliver_email, [r._replace(offset=0) for r in line.email_records()[before:]])

    assert (await line.states("1"))["alice", "email"] == ("sent", "")
    assert [m.recipient for m in line.transport.accepted] == ["alice@example.com"]
    queued = next(o for o in line.outcomes() if o.reason is Reason.replayed)
    assert queued.detail.startswith("redriven by ops, ")


async def test_what_was_settled_since_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter whose delivery has ended otherwise, or has left the ledger, is left alone and stays open."""
    line = FakePipeline()
    await unrendered(line, monkeypatch)
    (letter,) = letters(line)
    (entry,) = [e async for e in line.ledger.entries(_event(letter))]
    for to in (State.queued, State.sending, State.sent):
        await line.ledger.transition([Transition(entry.event, entry.delivery, to, Reason.none, 9)])
    gone = letter_of(
        letter.record._replace(
            offset=99, value=(letter.record.value or b"").replace(b'"event":"', b'"event":"0')
        )
    )

    counts = await redriving(line)([letter, gone], trail(line))

    assert counts == {"stands at sent": 1, "not in the ledger any more": 1, REDRIVEN: 0}
    assert dead_letter_statuses(line.records(TOPICS.audit)) == {}
    assert len(line.email_records()) == 1


async def test_cut_off_before_kafka_has_it_a_letter_stays_open() -> None:
    """The original first, the audit after it: a crash between them lets it be redriven again, without harm."""
    line = FakePipeline()
    await line.ingest(b"{")

    class UnavailablePublisher:
        async def publish(self, messages: object) -> None:
            raise Unavailable("Kafka is away")

    work = Redriver(line.ledger, UnavailablePublisher(), TOPICS, line.clock)
    with pytest.raises(Unavailable):
        await work(letters(line), trail(line))

    assert dead_letter_statuses(line.records(TOPICS.audit)) == {}


async def test_discarding_is_a_record_and_nothing_else() -> None:
    """The letter stays where it is; the latest word on it counts."""
    line = FakePipeline()
    await line.ingest(b"{")
    found = letters(line)
    await redriving(line)(found, trail(line))
    line.clock.advance(1000)
    await discard(found, trail(line, OperationKind.discard))

    assert dead_letter_statuses(line.records(TOPICS.audit))[found[0].id].action is OperationKind.discard
    assert [(x.id, x.original()) for x in letters(line)] == [(x.id, x.original()) for x in found]


def test_an_operation_survives_the_topic() -> None:
    """What is read is what was written; anything else there is passed over."""
    told = Operation(
        "i",
        OperationKind.redrive,
        OperationPhase.part,
        "ops",
        0,
        {"type": ["a"]},
        {"redriven": 1},
        ("t:0:1",),
    )
    assert Operation.from_bytes(told.to_bytes()) == told
    junk = [
        Record("a", 0, 0, 0, None, value) for value in (None, b"{", b"[]", b'{"id": 1}', b'{"action": "x"}')
    ]
    assert dead_letter_statuses(junk) == {}


def _event(letter: DeadLetter) -> str:
    import json

    return str(json.loads(letter.record.value or b"")["event"])
