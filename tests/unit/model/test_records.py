"""Records of Tocsin's own topics as a stranger may write them: one that no reader can show is no record."""

import json
from typing import Any

import pytest

from service.model.blocks.suppression import SoftBounceScore
from service.model.dead_letter import DeadLetter
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.operation import Operation
from service.model.outcome import Outcome, ReadMark
from service.model.record import Record
from service.model.withdrawal import WithdrawalRecord

AT = 1_790_000_000_000
EVENT = event_key("/s", "1")
DELIVERY = delivery_id(EVENT, "alice", "inbox")
RECORDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "delivery": (
        Delivery,
        {
            "id": DELIVERY, "event": EVENT, "event_id": "1", "source": "/s", "type": "overbid", "channel": "inbox",
            "recipient": "alice", "found": "users", "created_ms": AT, "received_ms": AT, "deadline_ms": AT,
            "seen": 1, "attempt": 1, "replayed_ms": AT, "data": {"lot_id": "1"},
        },
    ),
    "outcome": (
        Outcome,
        {
            "delivery": DELIVERY, "event": EVENT, "type": "overbid", "recipient": "alice", "channel": "inbox",
            "state": "delivered", "at_ms": AT, "reason": "", "attempt": 1, "detail": "", "next_ms": AT,
            "received_ms": AT,
        },
    ),
    "read mark": (ReadMark, {"kind": "read", "recipient": "alice", "ids": [DELIVERY], "at_ms": AT}),
    "withdrawal": (WithdrawalRecord, {"event": EVENT, "until_ms": AT, "keep_s": 60}),
    "withdrawal of a key": (WithdrawalRecord, {"supersede": "overbid|1", "until_ms": AT, "keep_s": 60}),
    "score": (SoftBounceScore, {"score": 1.5, "at_ms": AT}),
}  # fmt: skip
NO_NUMBERS = (-1, 2**63, 2**64, 10**30, 1e300, 1.5, "x", None, [], {})


def cases() -> list[tuple[str, str, Any]]:
    """Return each field of each record with each value that it cannot have."""
    return [
        (kind, name, wrong)
        for kind, (_, fields) in RECORDS.items()
        for name, value in fields.items()
        for wrong in (NO_NUMBERS if isinstance(value, int) else ([], {"a": 1}))
        if not (name in ("data", "ids") and isinstance(wrong, type(value)))
    ]


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_is_read(kind: str) -> None:
    """The base of every case is a record."""
    model, fields = RECORDS[kind]
    assert model.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize(("kind", "name", "wrong"), cases())
def test_a_value_that_no_reader_can_show_is_refused(kind: str, name: str, wrong: Any) -> None:
    """By the one error that every reader of the topic expects: a rebuild would end with any other."""
    model, fields = RECORDS[kind]
    with pytest.raises(ValueError, match="not a"):
        model.from_bytes(json.dumps({**fields, name: wrong}).encode())


@pytest.mark.parametrize("wrong", ["", "e1", "f" * 24, EVENT.upper() + "A", EVENT[:-1], f"{EVENT}0"])
@pytest.mark.parametrize(
    ("kind", "name"), [("delivery", "event"), ("outcome", "event"), ("withdrawal", "event")]
)
def test_a_key_of_no_event_is_refused(kind: str, name: str, wrong: str) -> None:
    """The ledger finds no place for it."""
    model, fields = RECORDS[kind]
    with pytest.raises(ValueError, match="not a"):
        model.from_bytes(json.dumps({**fields, name: wrong}).encode())


@pytest.mark.parametrize("wrong", ["", "d1", EVENT, "f" * 40, DELIVERY[:-1], f"{DELIVERY}0", f"{DELIVERY}\n"])
@pytest.mark.parametrize(("kind", "name"), [("delivery", "id"), ("outcome", "delivery")])
def test_an_id_of_no_delivery_is_refused(kind: str, name: str, wrong: str) -> None:
    """The ledger finds no place for it."""
    model, fields = RECORDS[kind]
    with pytest.raises(ValueError, match="not a"):
        model.from_bytes(json.dumps({**fields, name: wrong}).encode())


@pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", "1" * 5000])
def test_data_with_a_number_that_is_none_is_refused(number: str) -> None:
    """JSON has no such number, or no double is as large: an inbox could not hold it."""
    _, fields = RECORDS["delivery"]
    text = json.dumps(fields).replace('"lot_id": "1"', f'"lot_id": {number}')
    with pytest.raises(ValueError, match="not a delivery"):
        Delivery.from_bytes(text.encode())


def test_an_integer_over_64_bits_is_a_double() -> None:
    """Resolve refuses it; in a record of a stranger it must be one that an inbox can hold."""
    _, fields = RECORDS["delivery"]
    delivery = Delivery.from_bytes(json.dumps({**fields, "data": {"lot_id": 10**30}}).encode())
    assert delivery.data == {"lot_id": 1e30}


def test_items_of_an_operation_are_text() -> None:
    """They are keys of a table."""
    fields = {"id": "1", "action": "redrive", "phase": "ended", "who": "x", "at_ms": AT, "items": [["a"], 1]}
    assert Operation.from_bytes(json.dumps(fields).encode()).items == ("['a']", "1")


def test_numbers_of_a_dead_letter_may_be_anything() -> None:
    """A dead letter is always read; digits without end are no offset."""
    names = ("partition", "offset", "size", "last-offset")
    headers = [(f"tocsin-{name}", b"9" * 5000) for name in names]
    letter = DeadLetter.from_record(Record("d", 0, 0, AT, None, b"{", headers))
    assert (letter.position, letter.size, letter.last_offset) == ((-1, -1), None, None)
