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
