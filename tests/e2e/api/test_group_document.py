"""Every example in the group notifications document."""

import orjson

from tests.e2e.api.seed_documents import GROUP, compact
from tests.support.api_fixture import ApiFixture

GET, CONFIGURE = "/api/v1/notification/", "/api/v1/notification/configure/"


async def test_retrieve_with_a_body(api: ApiFixture) -> None:
    """GET with the document's body returns all eleven types, in its order, those without addresses included."""
    headers = api.bearer("ops", "tables")
    await api.client.patch(CONFIGURE, params={"external_id": "12345"}, content=GROUP, headers=headers)

    body = b'{"external_id": "12345", "project_id": ""}'
    answer = await api.client.request("GET", GET, content=body, headers=headers)

    assert answer.status_code == 200
    assert answer.content == compact(GROUP)


async def test_retrieve_by_query(api: ApiFixture) -> None:
    """GET by query parameters returns the same format; a group that was never written has every type, empty."""
    answer = await api.client.get(
        GET, params={"external_id": "new", "project_id": "p"}, headers=api.bearer("ops", "tables")
    )

    assert answer.json() == {name: [] for name in orjson.loads(GROUP)}


async def test_modify(api: ApiFixture) -> None:
    """PATCH with the document's body returns the full map, byte for byte."""
    answer = await api.client.patch(
        CONFIGURE, params={"external_id": "12345"}, content=GROUP, headers=api.bearer("ops", "tables")
    )

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.content == compact(GROUP)


async def test_modify_some(api: ApiFixture) -> None:
    """Types that are not in the body keep their addresses; the group's ids can be in the body too."""
    headers = api.bearer("ops", "tables")
    await api.client.patch(CONFIGURE, params={"external_id": "12345"}, content=GROUP, headers=headers)

    body = {"external_id": "12345", "project_id": "", "fon_offer": [], "chat_ongoing": ["a@example.com"]}
    answer = await api.client.patch(CONFIGURE, json=body, headers=headers)

    expected = {**orjson.loads(GROUP), "fon_offer": [], "chat_ongoing": ["a@example.com"]}
    assert answer.content == orjson.dumps(expected)


async def test_projects_are_separate(api: ApiFixture) -> None:
    """An empty project_id selects the group's default lists, not those of every project."""
    headers = api.bearer("ops", "tables")
    await api.client.patch(CONFIGURE, params={"external_id": "12345"}, content=GROUP, headers=headers)

    answer = await api.client.get(GET, params={"external_id": "12345", "project_id": "p1"}, headers=headers)

    assert not any(answer.json().values())
