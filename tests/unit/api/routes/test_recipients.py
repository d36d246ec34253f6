"""The recipients table over HTTP."""

from typing import Any

import pytest

from tests.support.api_fixture import ApiFixture

ALICE = {
    "address": "alice@example.com",
    "name": "Alice",
    "locale": "de-AT",
    "timezone": "Europe/Vienna",
    "roles": ["admin"],
    "preferences": {"overbid": {"email": False}},
    "quiet_hours": None,
}


async def call(api: ApiFixture, method: str, recipient: str, body: Any = None) -> Any:
    headers = api.bearer("ops", "tables")
    return await api.client.request(method, f"/v1/recipients/{recipient}", json=body, headers=headers)


async def test_write_and_read(api: ApiFixture) -> None:
    """PUT is 201 for a new recipient and 200 for an existing one; GET returns the same body."""
    new = await call(api, "PUT", "alice", ALICE)
    again = await call(api, "PUT", "alice", ALICE)
    got = await call(api, "GET", "alice")

    assert [new.status_code, again.status_code, got.status_code] == [201, 200, 200]
    assert new.json() == again.json() == got.json() == {"id": "alice", **ALICE, "version": 1_700_000_000_000}
    assert len(api.publisher.messages) == 1


async def test_merge_patch(api: ApiFixture) -> None:
    """PATCH changes the fields it names, null resets a field, the others stay."""
    await call(api, "PUT", "alice", ALICE)

    answer = await call(
        api, "PATCH", "alice", {"name": None, "preferences": {"overbid": None, "winner": {"inbox": False}}}
    )

    expected = {**ALICE, "name": "", "preferences": {"winner": {"inbox": False}}}
    assert answer.json() == {"id": "alice", **expected, "version": 1_700_000_000_001}


async def test_frequencies(api: ApiFixture) -> None:
    """A word is read back as it was written, but `off` as false, and `true` removes the frequency that was set."""

    async def overbid(value: Any) -> Any:
        patch = {"preferences": {"overbid": {"email": value}}}
        return (await call(api, "PATCH", "alice", patch)).json()["preferences"]["overbid"]["email"]

    await call(api, "PUT", "alice", {})
    for written, read in (("daily", "daily"), ("instant", "instant"), ("off", False), (True, True)):
        assert await overbid(written) == read
    inbox = {"preferences": {"overbid": {"inbox": "off"}}}
    assert (await call(api, "PATCH", "alice", inbox)).json()["preferences"]["overbid"]["inbox"] is False


async def test_a_frequency_keeps_its_date(api: ApiFixture) -> None:
    """The same one again changes nothing; another one has the time of its change."""
    for value in ("daily", "daily", "weekly"):
        await call(api, "PUT", "alice", {"preferences": {"overbid": {"email": value}}})
        api.clock.advance(1000)

    choice = api.tables.recipients["alice"].preferences["overbid:email"]  # type: ignore[attr-defined]
    assert (choice.frequency, choice.since_ms) == ("weekly", 1_700_000_002_000)
    assert len(api.publisher.messages) == 2


async def test_quiet_hours(api: ApiFixture) -> None:
    """They are read back with all days where none was stated; null is the type's, an empty list none at all."""
    night = {"start": "22:00", "end": "07:00"}
    answer = await call(api, "PUT", "alice", {"quiet_hours": [night]})
    week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert answer.json()["quiet_hours"] == [{**night, "days": week}]
    for value in ([], None):
        assert (await call(api, "PATCH", "alice", {"quiet_hours": value})).json()["quiet_hours"] == value


async def test_delete(api: ApiFixture) -> None:
    """DELETE is 204, then 404; the tombstone has its version; the recipient can be created again."""
    await call(api, "PUT", "alice", ALICE)

    answers = [await call(api, "DELETE", "alice") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert api.publisher.messages[-1].headers == (("version", b"1700000000001"),)
    api.clock.advance(10)
    assert (await call(api, "PUT", "alice", ALICE)).status_code == 201


async def test_versions(api: ApiFixture) -> None:
    """A version in the body must be the current one, which prevents lost updates."""
    version = (await call(api, "PUT", "alice", ALICE)).json()["version"]

    stale = await call(api, "PUT", "alice", {**ALICE, "version": version - 1})
    right = await call(api, "PATCH", "alice", {"name": "A", "version": version})

    assert [stale.status_code, right.status_code] == [409, 200]
    assert stale.json()["version"] == version


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"address": "nobody"}, "#/address"),
        ({"address": 5}, "#/address"),
        ({"name": "a\r\nb"}, "#/name"),
        ({"name": "x" * 257}, "#/name"),
        ({"locale": "english please"}, "#/locale"),
        ({"timezone": "Mars/Base"}, "#/timezone"),
        ({"timezone": "../../etc/passwd"}, "#/timezone"),
        ({"roles": ["a b"]}, "#/roles/0"),
        ({"roles": "admin"}, "#/roles"),
        ({"preferences": {"nope": {"email": True}}}, "#/preferences/nope"),
        ({"preferences": {"overbid": {"sms": True}}}, "#/preferences/overbid/sms"),
        ({"preferences": {"overbid": {"email": "no"}}}, "#/preferences/overbid/email"),
        ({"preferences": {"overbid": {"email": 1}}}, "#/preferences/overbid/email"),
        ({"preferences": {"overbid": {"inbox": "daily"}}}, "#/preferences/overbid/inbox"),
        ({"preferences": {"reset_password": {"email": "weekly"}}}, "#/preferences/reset_password/email"),
        ({"quiet_hours": [{"start": "22:00", "end": "24:00"}]}, "#/quiet_hours/0/end"),
        ({"quiet_hours": [{"start": "22:00", "end": "07:00", "days": ["day"]}]}, "#/quiet_hours/0/days/0"),
        ({"quiet_hours": [{"start": "00:00", "end": "00:00"}]}, "#/quiet_hours"),
        ({"quiet_hours": [{"start": "01:00", "end": "02:00"}] * 15}, "#/quiet_hours"),
        ({"id": "bob"}, "#/id"),
    ],
)
async def test_refused(api: ApiFixture, change: Any, pointer: str) -> None:
    """422 names the field, for PUT and for PATCH."""
    await call(api, "PUT", "bob", ALICE)
    answers = [
        await call(api, "PUT", "alice", {**ALICE, **change}),
        await call(api, "PATCH", "bob", change),
    ]

    assert [(a.status_code, a.json()["errors"][0]["pointer"]) for a in answers] == [(422, pointer)] * 2


async def test_pages(api: ApiFixture) -> None:
    """The listing has every id once, sorted; `next` is null on the last page."""
    for name in ("b", "a", "é", "c"):
        await call(api, "PUT", name, {})
    headers, after, ids = api.bearer("ops", "tables"), "", []
    while after is not None:
        answer = await api.client.get("/v1/recipients", params={"limit": 3, "after": after}, headers=headers)
        ids += [row["id"] for row in answer.json()["recipients"]]
        after = answer.json()["next"]

    assert ids == ["a", "b", "c", "é"]


@pytest.mark.parametrize("recipient", ["%0A", "a%00b", "%20a", "x" * 129])
async def test_ids(api: ApiFixture, recipient: str) -> None:
    """An id that is unprintable, too long, or has a space at either end is 400."""
    assert (await call(api, "PUT", recipient, {})).status_code == 400
