"""JSON:API 1.1 rules for media types and parameters, and exceptions that keep older clients working."""

import pytest

from tests.support.api_fixture import ApiFixture, inbox_item

JSON_API = "application/vnd.api+json"
DATA = b'{"data": []}'


@pytest.mark.conformance(
    "JSON:API 1.1", "5.3 406", "406 if each instance of the media type in Accept has parameters."
)
@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        ("application/json", 200),
        ("text/html", 200),
        (JSON_API, 200),
        (f"{JSON_API};q=0.5", 200),
        (f'{JSON_API}; profile="https://example.com/a,b"', 200),
        (f"{JSON_API}; charset=utf-8", 406),
        (f'{JSON_API}; ext="https://jsonapi.org/ext/atomic"', 406),
        (f"{JSON_API}; charset=utf-8, {JSON_API}", 200),
        (f"{JSON_API}; charset=utf-8, */*", 406),
    ],
)
async def test_accept(api: ApiFixture, accept: str | None, status: int) -> None:
    """406 only if every instance of the media type has unsupported parameters (section 5.3)."""
    headers = api.bearer() | ({"Accept": accept} if accept else {})

    answer = await api.client.get("/counts", headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (status, JSON_API)


@pytest.mark.conformance(
    "JSON:API 1.1", "5.3 415", "415 for the media type with parameters other than profile."
)
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 204),
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        (JSON_API, 204),
        (f'{JSON_API}; profile="https://example.com/p"', 204),
        (f"{JSON_API}; charset=utf-8", 415),
        (f'{JSON_API}; ext="https://jsonapi.org/ext/atomic"', 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
async def test_content_type(api: ApiFixture, content_type: str | None, status: int) -> None:
    """415 for the media type with parameters, and for types other than JSON."""
    headers = api.bearer() | ({"Content-Type": content_type} if content_type else {})

    answer = await api.client.post("/notifications", content=DATA, headers=headers)

    assert answer.status_code == status


@pytest.mark.conformance(
    "JSON:API 1.1", "6.2 query parameters", "An unknown parameter with a reserved name is 400."
)
@pytest.mark.conformance("JSON:API 1.1", "7.4 sorting", "A sort key that is not supported is 400.")
@pytest.mark.conformance("JSON:API 1.1", "7.3 include", "include is not supported: 400.")
@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("/counts", "include=x", "include"),
        ("/counts", "fields[notifications]=count", "fields[notifications]"),
        ("/notifications", "sort=id", "sort"),
        ("/notifications", "sort=created_at&sort=-created_at", "sort"),
        ("/notifications", "filter[type]=99", "filter[type]"),
        ("/notifications", "filter[status]=new", "filter[status]"),
        ("/notifications", "status=read&filter[status]=read", None),
        ("/notifications", "page[size]=0", "page[size]"),
        ("/notifications", "page[size]=1001", "page[size]"),
        ("/notifications", "page[size]=²", "page[size]"),
        ("/notifications", "page[number]=2", "page[number]"),
        ("/notifications", "page[after]=nonsense", "page[after]"),
    ],
)
async def test_parameters(api: ApiFixture, path: str, query: str, parameter: str | None) -> None:
    """An unknown parameter with a reserved name, or an invalid value, is 400 and names the parameter (section 6)."""
    answer = await api.client.get(f"{path}?{query}", headers=api.bearer())

    assert answer.status_code == 400
    source = answer.json()["errors"][0]["source"]
    assert source["parameter"] in ([parameter] if parameter else ["status", "filter[status]"])


@pytest.mark.conformance(
    "JSON:API 1.1", "6.3 custom parameters", "An unknown parameter with a custom name is ignored."
)
async def test_unreserved_parameters_are_ignored(api: ApiFixture) -> None:
    """Unknown parameters with unreserved names, such as a cache buster, are accepted."""
    assert (await api.client.get("/counts?_=1&camelCase=2", headers=api.bearer())).status_code == 200


@pytest.mark.conformance("JSON:API 1.1", "7.5 pagination", "Pages have links.next, null on the last page.")
async def test_pages(api: ApiFixture) -> None:
    """Pages have every entry once, in order; `links` are present only with paging, and `next` is null on the last."""
    await api.add(*(inbox_item("overbid", id=f"n{n}", at_ms=1_000_000 + n // 2) for n in range(7)))
    path: str | None = "/notifications?page[size]=3"
    pages = []
    while path:
        answer = (await api.client.get(path, headers=api.bearer())).json()
        pages.append([row["id"] for row in answer["data"]])
        path = answer["links"]["next"]

    assert pages == [["n0", "n1", "n2"], ["n3", "n4", "n5"], ["n6"]]
    assert "links" not in (await api.client.get("/notifications", headers=api.bearer())).json()


@pytest.mark.conformance("JSON:API 1.1", "7.6 filtering", "filter[type] and filter[status] select entries.")
async def test_filters(api: ApiFixture) -> None:
    """Filters by type, as number or name, and by status; read entries have `read_at`."""
    await api.add(
        inbox_item("overbid", id="a"), inbox_item("winner", id="b"), inbox_item("payment_approved", id="c")
    )
    await api.client.delete("/notifications/a", headers=api.bearer())

    async def ids(query: str) -> list[str]:
        answer = await api.client.get(f"/notifications?{query}", headers=api.bearer())
        return [row["id"] for row in answer.json()["data"]]

    assert await ids("filter[type]=7") == ["b"]
    assert await ids("filter[type]=overbid,winner&status=all") == ["a", "b"]
    assert await ids("filter[status]=read") == ["a"]
    assert await ids("status=unread") == ["b", "c"]
    read = (await api.client.get("/notifications?status=read", headers=api.bearer())).json()["data"][0]
    assert read["attributes"]["read_at"] == "2023-11-14T22:13:20Z"


async def test_types_without_a_number(api: ApiFixture) -> None:
    """The id of their count is the name, they sort after numbered types, and `type` is null."""
    await api.add(inbox_item("payment_approved", id="c"), inbox_item("winner", id="b"))

    counts = (await api.client.get("/counts", headers=api.bearer())).json()["data"]
    rows = (await api.client.get("/notifications", headers=api.bearer())).json()["data"]

    assert [row["id"] for row in counts] == ["7", "payment_approved"]
    assert [row["attributes"]["type"] for row in rows] == [7, None]


async def test_read_all(api: ApiFixture) -> None:
    """Marks all entries of the caller, or those of the types in the filter, and returns their number."""
    await api.add(
        inbox_item("overbid", id="a"), inbox_item("winner", id="b"), inbox_item("winner", "bob", id="c")
    )
    path = "/v1/inbox/read-all"

    first = await api.client.post(f"{path}?filter[type]=winner", headers=api.bearer())
    second = await api.client.post(path, headers=api.bearer())
    refused = await api.client.post(f"{path}?filter[type]=x", headers=api.bearer())

    assert [first.json(), second.json(), refused.status_code] == [{"read": 1}, {"read": 1}, 400]
    assert len(await api.deps.inbox.unread("bob")) == 1


async def test_marking_twice(api: ApiFixture) -> None:
    """Marking an entry that is already read succeeds."""
    await api.add(inbox_item("overbid", id="a"))

    answers = [await api.client.delete("/notifications/a", headers=api.bearer()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
