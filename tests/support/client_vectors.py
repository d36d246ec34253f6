"""`clients/vectors.json`: events with the reasons of the service's own ingest, for the tests of every client.

`make docs` writes it; a test compares it with what this module makes.
"""

import copy
import json
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid5

from service.cli.develop.sdk import describe
from service.model.catalogue import Audience, AudienceRule, Catalogue, MetaField, NotificationType
from service.model.channels import Channel
from service.model.event import InvalidEvent
from service.model.validators import time_ms
from service.pipeline.resolve import ingest
from tests.support.paths import ROOT

PATH = ROOT / "clients" / "vectors.json"
NOW = "2026-10-01T08:00:00Z"
_NAMESPACE = UUID("5f0c8f9e-3a53-5c3e-9f0b-6a3d0c1e7b52")
_HEADERS = (("content-type", b"application/cloudevents+json"),)
_USERS = Audience(kind=AudienceRule.users)
_GROUP = Audience(kind=AudienceRule.group)
_ACCOUNT = Audience(kind=AudienceRule.account)
_ADMINS = Audience(kind=AudienceRule.role, role="admin")


def _type(
    name: str, *audience: Audience, meta: dict[str, MetaField] | None = None, **fields: Any
) -> NotificationType:
    values = {
        "name": name,
        "domain": "test",
        "title": name,
        "description": name,
        "channels": (Channel.inbox,),
    }
    return NotificationType.model_validate({**values, "audience": audience, "meta": meta or {}, **fields})


_OPTIONAL = {
    name: MetaField(type=name, required=False)  # type: ignore[arg-type]
    for name in ("string", "integer", "number", "boolean", "datetime", "object", "list")
}
_TYPES = (
    _type("overbid", _USERS, _ADMINS, meta={"lot_id": MetaField()}, supersede="{lot_id}"),
    _type(
        "bid_placed",
        _USERS,
        meta={"lot": MetaField(), "round": MetaField(type="integer")},
        supersede="{lot}/{round}",
    ),
    _type(
        "message",
        Audience(kind=AudienceRule.users, field="receiver_id"),
        meta={"sender_id": MetaField(), "receiver_id": MetaField(required=False)},
        actor_field="sender_id",
    ),
    _type("notice", _ADMINS),
    _type("invoice", _GROUP, meta={"amount": MetaField(type="number", required=False)}),
    _type("payment_failed", _ACCOUNT),
    _type("shared", _USERS, _GROUP),
    _type("every_field", _USERS, meta=_OPTIONAL),
    _type(
        "every_field_required", _USERS, meta={name: MetaField(type=f.type) for name, f in _OPTIONAL.items()}
    ),
)
CATALOGUE = Catalogue({declared.name: declared for declared in _TYPES})


def _overbid(**fields: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/auctions",
        "type": "overbid",
        "recipients": '["alice"]',
    }
    return {**event, "data": {"lot_id": "7"}, **fields}


def _without(name: str, **fields: Any) -> dict[str, Any]:
    event = _overbid(**fields)
    del event[name]
    return event


def _field(name: str, value: Any) -> dict[str, Any]:
    return _overbid(type="every_field", data={name: value})


def _withdraw(data: Any, **fields: Any) -> dict[str, Any]:
    return _without("recipients", type="withdraw", data=data, **fields)


def _of(type_: str, data: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return _without("recipients", type=type_, data=data or {}, **fields)


def _set(event: dict[str, Any], *at: str, **value: Any) -> dict[str, Any]:
    """Return a vector with a value that is too long, or none of JSON's, at a path of its event."""
    return {"event": event, "set": {"at": at, **value}}


_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "all attributes": _overbid(
        time="2026-10-01T07:59:59.123456Z",
        subject="Lot 7, größte",
        actor="bob",
        expires="2026-10-02T08:00:00+02:00",
        deliverat="2026-10-01T09:00:00Z",
        supersedekey="7",
        partitionkey="lot-7",
        tenant="acme",
        n=5,
        flag=True,
    ),
    "reverse-DNS prefix": _overbid(type="com.example.overbid"),
    "no id": _without("id"),
    "null id": _overbid(id=None),
    "empty source": _overbid(source=""),
    "no type": _without("type"),
    "id of 1,024 characters": _overbid(id="x" * 1024),
    "id of 1,025 characters": _overbid(id="x" * 1025),
    "id of 600 characters beyond 16 bits": _overbid(id="\U0001f600" * 600),
    "id with a line break": _overbid(id="1\n2"),
    "id with a delete character": _overbid(id="1\x7f"),
    "source with a line separator": _overbid(source="/a\u2028b"),
    "source with a noncharacter": _overbid(source="/a\ufffe"),
    "source with a noncharacter of a plane": _overbid(source="/a\U0001fffe"),
    "integer id": _overbid(id=1),
    "boolean source": _overbid(source=True),
    "unknown type": _overbid(type="no_such_type"),
    "unknown type without an audience": _of("no_such_type"),
    "empty subject": _overbid(subject=""),
    "integer subject": _overbid(subject=5),
    "empty partition key": _overbid(partitionkey=""),
    "null subject": _overbid(subject=None),
    "name with a capital": _overbid(tenantId="acme"),
    "name with an underscore": _overbid(tenant_id="acme"),
    "object as an attribute": _overbid(tenant={"id": 1}),
    "array as an attribute": _overbid(tenant=[1]),
    "257 attributes": _overbid(**{f"a{number}": 1 for number in range(251)}),
    "256 attributes": _overbid(**{f"a{number}": 1 for number in range(250)}),
    "missing id and unknown type": _without("id", type="no_such_type"),
}
_TIMES: dict[str, dict[str, Any]] = {
    "time with an offset": _overbid(time="2026-10-01T09:59:59+02:00"),
    "time in small letters": _overbid(time="2026-10-01t07:00:00z"),
    "time with a blank": _overbid(time="2026-10-01 07:00:00Z"),
    "time with nanoseconds": _overbid(time="2026-10-01T07:00:00.123456789Z"),
    "leap second": _overbid(time="2016-12-31T23:59:60Z"),
    "leap second where there can be none": _overbid(time="2016-12-30T23:59:60Z"),
    "time without a zone": _overbid(time="2026-10-01T07:00:00"),
    "time with an offset without a colon": _overbid(time="2026-10-01T07:00:00+0000"),
    "week date": _overbid(time="2026-W40-4T07:00:00Z"),
    "31 April": _overbid(time="2026-04-31T07:00:00Z"),
    "29 February of a common year": _overbid(time="2026-02-29T07:00:00Z"),
    "hour 24": _overbid(time="2026-04-30T24:00:00Z"),
    "time before 1970": _overbid(time="1969-12-31T23:59:59Z"),
    "time after 2261": _overbid(time="2262-01-01T00:00:00Z"),
    "time as a number": _overbid(time=1_790_000_000),
    "time in the future": _overbid(time="2099-01-01T00:00:00Z"),
    "expires in 9999": _overbid(expires="9999-12-31T23:59:59Z"),
    "expires before 1970": _overbid(expires="1900-01-01T00:00:00Z"),
    "expires has precedence over expirytime": _overbid(expires="2027-01-01T00:00:00Z", expirytime="tomorrow"),
    "expirytime has no precedence": _overbid(expires="tomorrow", expirytime="2027-01-01T00:00:00Z"),
    "expirytime as a word": _overbid(expirytime="tomorrow"),
    "an attribute has precedence over the data": _overbid(
        expires="2027-01-01T00:00:00Z", data={"lot_id": "7", "expires": "tomorrow"}
    ),
    "expires in the data": _overbid(data={"lot_id": "7", "expires": "tomorrow"}),
    "expires as a word": _overbid(expires="tomorrow"),
    "deliverat in 366 days": _overbid(deliverat="2027-10-02T08:00:00Z"),
    "deliverat in 366 days and a second": _overbid(deliverat="2027-10-02T08:00:01Z"),
    "deliverat in the past": _overbid(deliverat="2020-01-01T00:00:00Z"),
    "deliverat as a word": _overbid(deliverat="tomorrow"),
}
_AUDIENCES: dict[str, dict[str, Any]] = {
    "recipients as an array": _overbid(recipients=["alice", "bob"]),
    "recipients with commas": _overbid(recipients="alice, bob"),
    "no recipients": _without("recipients"),
    "empty list of recipients": _overbid(recipients="[]"),
    "empty text of recipients": _overbid(recipients=""),
    "recipient without a name": _overbid(recipients='["alice", ""]'),
    "recipient of 128 characters": _overbid(recipients=["x" * 128]),
    "recipient of 129 characters": _overbid(recipients=["x" * 129]),
    "recipient with a line break": _overbid(recipients=["a\nb"]),
    "integer recipient": _overbid(recipients="[1]"),
    "recipients that are no JSON": _overbid(recipients='["alice"'),
    "recipients as a number": _overbid(recipients=5),
    "recipients in the data": _of("overbid", {"lot_id": "7", "recipients": ["alice"]}),
    "recipient in a field": _of("message", {"sender_id": "bob", "receiver_id": "alice"}),
    "empty recipient in a field": _of("message", {"sender_id": "bob", "receiver_id": ""}),
    "recipient in neither": _of("message", {"sender_id": "bob"}),
    "a role needs no attribute": _of("notice"),
    "no data": _without("data", type="notice"),
    "group": _of("invoice", externalid="12345", projectid="A"),
    "group with underscores": _of("invoice", external_id="12345", project_id="A"),
    "group with an integer": _of("invoice", externalid=12345),
    "the spelling with an underscore has precedence": _of("invoice", external_id="", externalid="12345"),
    "group in the data": _of("invoice", {"external_id": "12345"}),
    "no group": _of("invoice"),
    "empty group": _of("invoice", externalid=""),
    "boolean group": _of("invoice", externalid=True),
    "project alone": _of("invoice", projectid="A"),
    "account": _of("payment_failed", account="acme"),
    "no account": _of("payment_failed"),
    "account of 1,025 characters": _of("payment_failed", account="x" * 1025),
    "users and group": _of("shared", recipients="alice", externalid="12345"),
    "users without the group": _of("shared", recipients="alice"),
    "group without the users": _of("shared", externalid="12345"),
    "actor with a control character": _overbid(actor="a\tb"),
    "supersede key as an integer": _overbid(supersedekey=7),
    "supersede key of 1,025 characters": _overbid(supersedekey="x" * 1025),
}
_DATA: dict[str, dict[str, Any]] = {
    "data as an array": _overbid(data=[]),
    "data as text": _overbid(data="text"),
    "required field is absent": _overbid(data={}),
    "required field is null": _overbid(data={"lot_id": None}),
    "required field has another type": _overbid(data={"lot_id": 7}),
    "other fields are kept": _overbid(data={"lot_id": "7", "Other Field": {"a": [1, None, True]}}),
    "all fields": _overbid(
        type="every_field_required",
        data={
            "string": "",
            "integer": 0,
            "number": 0.5,
            "boolean": False,
            "datetime": "2026-10-01T08:00:00Z",
            "object": {},
            "list": [],
        },
    ),
    "optional fields are null": _overbid(type="every_field", data=dict.fromkeys(_OPTIONAL)),
    "text of 10,000 characters": _set(_field("string", None), "data", "string", repeat="x", times=10_000),
    "text of 10,001 characters": _set(_field("string", None), "data", "string", repeat="x", times=10_001),
    "text of 6,000 characters beyond 16 bits": _set(
        _field("string", None), "data", "string", repeat="\U0001f600", times=6_000
    ),
    "integer as text": _field("integer", "5"),
    "integer as a boolean": _field("integer", True),
    "integer with a fraction": _field("integer", 5.5),
    "number as an integer": _field("number", 5),
    "number as a boolean": _field("number", False),
    "number as text": _field("number", "5"),
    "boolean as an integer": _field("boolean", 1),
    "boolean as text": _field("boolean", "true"),
    "datetime as a date": _field("datetime", "2026-10-01"),
    "datetime of 41 characters": _field("datetime", "2026-10-01T08:00:00.00000000000000000000Z"),
    "datetime of 40 characters": _field("datetime", "2026-10-01T08:00:00.0000000000000000000Z"),
    "datetime after 2261": _field("datetime", "2262-01-01T00:00:00Z"),
    "object as an array": _field("object", []),
    "array as an object": _field("list", {}),
    "wrong data and no audience": _of("overbid", {}),
}
_JSON: dict[str, dict[str, Any]] = {
    "NaN": _set(_field("number", None), "data", "number", number="NaN"),
    "infinity": _set(_field("number", None), "data", "number", number="Infinity"),
    "negative infinity": _set(_field("number", None), "data", "number", number="-Infinity"),
    "integer of 64 bits": _field("integer", 2**63),
    "integer over 64 bits": _field("integer", 2**65),
    "small integer of 64 bits": _field("integer", -(2**62)),
    "integer under 64 bits": _field("integer", -(2**64)),
    "half a surrogate pair": _field("string", "\ud83d"),
    "half a surrogate pair in a name": _overbid(data={"lot_id": "7", "\ude00": 1}),
    "half a surrogate pair in an attribute": _overbid(id="\ud83d"),
    "64 levels": _set(_field("list", None), "data", "list", nest=62),
    "65 levels": _set(_field("list", None), "data", "list", nest=63),
    "65,537 objects and arrays": _set(_field("list", None), "data", "list", repeat={}, times=65_534),
    "over 256 KiB": _set(_field("other", None), "data", "other", repeat="x", times=262_144),
    "20,000 recipients": _set(_overbid(), "recipients", count=20_000),
    "20,001 recipients": _set(_overbid(), "recipients", count=20_001),
}
_WITHDRAWALS: dict[str, dict[str, Any]] = {
    "withdraw by id": _withdraw({"id": "4711"}),
    "withdraw by id and source": _withdraw({"id": "4711", "source": "/other"}),
    "withdraw with a prefix": _withdraw({"id": "4711"}) | {"type": "com.example.withdraw"},
    "withdraw by key": _withdraw({"type": "overbid", "key": "7"}),
    "withdraw by an integer key": _withdraw({"type": "overbid", "key": 7}),
    "withdraw by data": _withdraw({"type": "overbid", "data": {"lot_id": "7"}}),
    "withdraw by the data of two fields": _withdraw({"type": "bid_placed", "data": {"lot": "7", "round": 2}}),
    "withdraw nothing": _withdraw({}),
    "withdraw without data": _without("data", type="withdraw"),
    "withdraw by id and type": _withdraw({"id": "4711", "type": "overbid"}),
    "withdraw by an empty id": _withdraw({"id": ""}),
    "withdraw by an integer id": _withdraw({"id": 4711}),
    "withdraw by a null id": _withdraw({"id": None}),
    "withdraw from an empty source": _withdraw({"id": "4711", "source": ""}),
    "withdraw an unknown type": _withdraw({"type": "no_such_type", "key": "7"}),
    "withdraw by key and data": _withdraw({"type": "overbid", "key": "7", "data": {"lot_id": "7"}}),
    "withdraw a type alone": _withdraw({"type": "overbid"}),
    "withdraw by an empty key": _withdraw({"type": "overbid", "key": ""}),
    "withdraw by a long key": _withdraw({"type": "overbid", "key": "x" * 1025}),
    "withdraw by data without its field": _withdraw({"type": "overbid", "data": {}}),
    "withdraw by null data": _withdraw({"type": "overbid", "data": None}),
    "withdraw by data of a type without a key": _withdraw({"type": "notice", "data": {}}),
    "withdraw by key of a type without one": _withdraw({"type": "notice", "key": "7"}),
    "withdraw without an id": _withdraw({"id": "4711"}, id=None),
}
_IDS: tuple[tuple[str, tuple[str | int, ...]], ...] = (
    ("/auctions", ("auction", 7, "overbid", 3)),
    ("/auctions", ("auction", "7", "overbid", "3")),
    ("/auctions", ("auction|7",)),
    ("/auctions", ("auction", 7)),
    ("/auctions", ("100 %",)),
    ("/auctions", ("größte", -1)),
    ("", ("a",)),
)
_KEYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("overbid", {"lot_id": "7"}),
    ("overbid", {}),
    ("bid_placed", {"lot": "7", "round": 2}),
    ("notice", {}),
)
_INPUTS = {**_ATTRIBUTES, **_TIMES, **_AUDIENCES, **_DATA, **_JSON, **_WITHDRAWALS}


def document() -> dict[str, Any]:
    """Return what `clients/vectors.json` holds."""
    events = []
    for name, item in _INPUTS.items():
        vector = item if "event" in item else {"event": item}
        events.append({"name": name, **vector, "reason": reason_of(filled(vector))})
    return {
        "types": [asdict(description) for description in describe(CATALOGUE)],
        "now": NOW,
        "events": events,
        "ids": [{"source": source, "parts": parts, "id": _id(source, *parts)} for source, parts in _IDS],
        "supersede_keys": [{"type": type_, "data": data, "key": _key(type_, data)} for type_, data in _KEYS],
    }


def text() -> str:
    """Return the file: a line for each vector, so that changes can be read."""
    members = (f"{json.dumps(name)}: {_rows(value)}" for name, value in document().items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _rows(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n]"


def filled(vector: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a vector, with the value of its `set` in place."""
    event: dict[str, Any] = copy.deepcopy(vector["event"])
    if change := vector.get("set"):
        *path, last = change["at"]
        place = event
        for name in path:
            place = place[name]
        place[last] = _value(change)
    return event


def reason_of(event: dict[str, Any]) -> str | None:
    """Return the reason for which ingest refuses an event in structured form; None where it accepts it."""
    try:
        ingest.parse(json.dumps(event).encode(), _HEADERS, CATALOGUE, time_ms(NOW))
    except InvalidEvent as error:
        return error.reason.value
    return None


def _value(change: dict[str, Any]) -> Any:
    match change:
        case {"number": number}:
            return float(number)
        case {"nest": depth}:
            return json.loads("[" * depth + "]" * depth)
        case {"count": count}:
            return [str(number) for number in range(1, count + 1)]
        case {"repeat": str(repeated), "times": times}:
            return repeated * times
    return [change["repeat"]] * change["times"]


def _id(source: str, *parts: str | int) -> str:
    name = "|".join(str(part).replace("%", "%25").replace("|", "%7C") for part in (source, *parts))
    return str(uuid5(_NAMESPACE, name))


def _key(type_: str, data: dict[str, Any]) -> str | None:
    declared = CATALOGUE[type_]
    return declared.supersede_key(data).removeprefix(f"{type_}|") if declared.supersede else None


if __name__ == "__main__":
    print(text(), end="")
