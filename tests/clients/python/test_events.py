"""Events: their structured form, keys, withdrawing, superseding, and the CloudEvents that carry them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from tocsin_client import (
    InvalidEvent,
    Reason,
    event_id,
    supersede,
    to_cloud_event,
    withdraw,
    withdraw_id,
    withdraw_key,
)
from tocsin_client.cloud_event import http_message, kafka_message, read, structured_bytes
from tocsin_client.types import (
    InvoiceAvailable,
    MessageFromSeller,
    Overbid,
    PaymentFailed,
    Winner,
)

AT = datetime(2026, 10, 1, 8, tzinfo=UTC)


def overbid(**fields: Any) -> Overbid:
    return Overbid(
        **{"source": "/auctions", "recipients": ["alice", "bob"], "data": {"lot_id": "7"}, **fields}
    )


def test_the_structured_form() -> None:
    """Names as on the wire; what is not set is absent; an object of dates is text."""
    event = overbid(
        id="1", time=AT, actor="carol", expires=AT, deliver_at=AT, supersede_key="k", subject="s",
        traceparent="t", extensions={"tenant": "acme"},
    )  # fmt: skip

    assert event.fields() == {
        "specversion": "1.0", "id": "1", "source": "/auctions", "type": "overbid", "time": "2026-10-01T08:00:00Z",
        "datacontenttype": "application/json", "recipients": '["alice", "bob"]', "actor": "carol", "subject": "s",
        "expires": "2026-10-01T08:00:00Z", "deliverat": "2026-10-01T08:00:00Z", "supersedekey": "k",
        "partitionkey": "alice", "traceparent": "t", "tenant": "acme", "data": {"lot_id": "7"},
    }  # fmt: skip


def test_the_key_is_that_of_the_audience() -> None:
    """The first recipient, the account, the group, the id; unless the event has its own."""
    assert overbid().key() == "alice"
    assert overbid(partition_key="lot-7").key() == "lot-7"
    assert overbid(recipients=[], id="1").key() == "1"
    assert PaymentFailed(source="/s", account="acme").key() == "acme"
    assert InvoiceAvailable(source="/s", external_id="12345").key() == "12345"
    message = MessageFromSeller(source="/s", data={"sender_id": "bob", "receiver_id": "alice", "lot_id": "7"})
    assert message.key() == "alice"


@pytest.mark.parametrize("convert", [structured_bytes, lambda e: kafka_message(e, "structured").value])
def test_a_cloud_event_can_be_read_again(convert: Any) -> None:
    """The official SDK reads what it has written."""
    cloud_event = to_cloud_event(overbid(id="1", time=AT))

    again = read(convert(cloud_event))

    assert isinstance(again, CloudEvent)
    assert (again.get_attributes(), again.get_data()) == (cloud_event.get_attributes(), {"lot_id": "7"})


def test_binary_mode_has_attributes_as_headers() -> None:
    """With the key that Kafka's binding takes from `partitionkey`."""
    cloud_event = to_cloud_event(overbid(id="1", time=AT))
    record, request = kafka_message(cloud_event, "binary"), http_message(cloud_event, "binary")

    assert (record.key, record.value) == ("alice", b'{"lot_id": "7"}')
    assert record.headers["ce_time"] == b"2026-10-01T08:00:00Z"
    assert (request.headers["ce-id"], request.headers["content-type"]) == ("1", "application/json")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": {}}, Reason.invalid_data),
        ({"source": ""}, Reason.missing_attribute),
        ({"time": AT.replace(tzinfo=None)}, Reason.invalid_attribute),
        ({"extensions": {"a_b": "c"}}, Reason.invalid_attribute),
        ({"extensions": {"project_id": "c"}}, Reason.invalid_attribute),
        ({"data": {"lot_id": "7", "when": {AT}}}, Reason.invalid_json),
        ({"data": {"lot_id": "7", "names": {1: "a"}}}, Reason.invalid_json),
        ({"deliver_at": datetime.now(UTC) + timedelta(days=400)}, Reason.invalid_attribute),
    ],
)
def test_an_invalid_event_has_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    """Before anything is sent; with the place of the event in the call."""
    with pytest.raises(InvalidEvent) as refused:
        to_cloud_event(overbid(**fields), index=3)

    assert (refused.value.reason, refused.value.index) == (reason, 3)


def test_dates_of_the_data_are_sent_as_text() -> None:
    """RFC 3339 with the zone."""
    event = PaymentFailed(source="/s", account="acme", extensions={}, data={})
    assert event.fields()["data"] == {}
    assert overbid(data={"lot_id": "7", "at": AT}).fields()["data"]["at"] == "2026-10-01T08:00:00Z"


def test_withdrawals() -> None:
    """Of one event with the same id each time; of a supersede key by the key or by what it is made of."""
    event = overbid(id="1")

    assert withdraw(event).data == {"id": "1"}
    assert withdraw(event).id == withdraw_id("/auctions", "1").id == event_id("/auctions", "withdraw", "1")
    by_data = withdraw_key(Overbid, "/auctions", data={"lot_id": "7"})
    by_key = withdraw_key(Overbid, "/auctions", key="7")
    assert by_data.data == {"type": "overbid", "data": {"lot_id": "7"}}
    assert by_key.data == {"type": "overbid", "key": "7"}
    for withdrawal in (withdraw(event), by_data, by_key):
        assert to_cloud_event(withdrawal).get_type() == "withdraw"
    for wrong in (
        withdraw_key(Overbid, "/auctions"),
        withdraw_key(Overbid, "/auctions", data={}),
        withdraw_key(Winner, "/auctions", data={"lot_id": "7"}),
        withdraw_id("/auctions", ""),
    ):
        with pytest.raises(InvalidEvent) as refused:
            to_cloud_event(wrong)
        assert refused.value.reason is Reason.invalid_withdrawal


def test_superseding() -> None:
    """The newer event has the key of the older one."""
    old, newer = overbid(time=AT), overbid(time=AT + timedelta(seconds=1), data={"lot_id": "8"})

    assert supersede(old, newer).supersede_key == "7"
    assert supersede(overbid(time=AT, supersede_key="k"), newer).supersede_key == "k"
    with pytest.raises(ValueError, match="later time"):
        supersede(old, overbid(time=AT))
    won = Winner(source="/auctions", recipients=["alice"], data={"lot_id": "7"}, time=AT)
    with pytest.raises(ValueError, match="cannot supersede"):
        supersede(won, newer)
    with pytest.raises(ValueError, match="no supersede key"):
        supersede(won, Winner(source="/auctions", recipients=["alice"], data={"lot_id": "7"}))


def test_an_id_needs_parts() -> None:
    """The source alone would give each event the same id."""
    with pytest.raises(ValueError, match="parts"):
        event_id("/auctions")
