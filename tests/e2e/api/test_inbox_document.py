"""Every example in the inbox document."""

import pytest

from tests.e2e.api.seed_documents import COUNTS, NOTIFICATIONS, compact
from tests.support.api_fixture import World, entry

JSON_API = "application/vnd.api+json"
SELLER = entry(
    "message_from_seller",
    id="uyErieIJuRUaSbqC",
    at_ms=1_554_733_057_000,
    lot_id="1",
    receiver_id="GBIOUELRPQIXUIXJSXPSDTSHCMJFVUK36GIQOLTZWFYK5NRZCS64UDJB",
    sender_id="GCFFCRD32PLJD2SIQF4O5ZORSRBMRQRTU6KKILR5XO3TWCBTASF3PTTS",
)
INVOICE = entry(
    "invoice_attached", id="QCpWNUulPQswPFBG", at_ms=1_554_733_057_999, lot_id="1", invoice_id="invoice-id"
)


async def test_counts(world: World) -> None:
    """GET /counts returns the document's response, with the JSON:API media type."""
    await world.add(entry("carfax_report_for_watchlist_auction", request_id="r1"))

    answer = await world.client.get("/counts", headers=world.bearer())

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON_API)
    assert answer.content == compact(COUNTS)


async def test_counts_of_an_empty_inbox(world: World) -> None:
    """Types without unread entries are left out."""
    answer = await world.client.get("/counts", headers=world.bearer())

    assert answer.content == b'{"data":[]}'


async def test_notifications(world: World) -> None:
    """GET /notifications returns the document's response: oldest first, meta in its order, no links."""
    await world.add(INVOICE, SELLER)

    answer = await world.client.get("/notifications", headers=world.bearer())

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON_API)
    assert answer.content == compact(NOTIFICATIONS)


@pytest.mark.parametrize(
    ("sort", "first"), [("created_at", "uyErieIJuRUaSbqC"), ("-created_at", "QCpWNUulPQswPFBG")]
)
async def test_sorting_key(world: World, sort: str, first: str) -> None:
    """sort=created_at is the default order, a minus reverses it."""
    await world.add(SELLER, INVOICE)

    answer = await world.client.get("/notifications", params={"sort": sort}, headers=world.bearer())

    assert answer.json()["data"][0]["id"] == first


async def test_mark_one_read(world: World) -> None:
    """DELETE returns 204 without a body, and the entry is no longer unread."""
    await world.add(SELLER, INVOICE)

    answer = await world.client.delete(f"/notifications/{SELLER.id}", headers=world.bearer())

    assert (answer.status_code, answer.content) == (204, b"")
    left = await world.client.get("/notifications", headers=world.bearer())
    assert [row["id"] for row in left.json()["data"]] == [INVOICE.id]


async def test_mark_one_read_errors(world: World) -> None:
    """401 without a token, 403 for another recipient's entry, 404 for a missing one; nothing is marked."""
    await world.add(SELLER)

    missing_token = await world.client.delete(f"/notifications/{SELLER.id}")
    other = await world.client.delete(f"/notifications/{SELLER.id}", headers=world.bearer("bob"))
    missing_entry = await world.client.delete("/notifications/nothing", headers=world.bearer())

    assert [missing_token.status_code, other.status_code, missing_entry.status_code] == [401, 403, 404]
    assert {answer.headers["content-type"] for answer in (missing_token, other, missing_entry)} == {JSON_API}
    assert [answer.json()["errors"][0]["status"] for answer in (missing_token, other, missing_entry)] == [
        "401",
        "403",
        "404",
    ]
    assert len((await world.client.get("/notifications", headers=world.bearer())).json()["data"]) == 1


async def test_mark_many_read(world: World) -> None:
    """POST /notifications with the document's body returns 204 and marks both."""
    await world.add(SELLER, INVOICE)
    body = b"""{"data": [
        {"type": "notifications", "id": "uyErieIJuRUaSbqC"},
        {"type": "notifications", "id": "QCpWNUulPQswPFBG"}
    ]}"""

    answer = await world.client.post(
        "/notifications", content=body, headers={**world.bearer(), "Content-Type": JSON_API}
    )

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await world.client.get("/counts", headers=world.bearer())).json() == {"data": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{", ""),
        (b"[]", "/data"),
        (b'{"data": {}}', "/data"),
        (b'{"data": [{"type": "notification", "id": "a"}]}', "/data/0/type"),
        (b'{"data": [{"type": "notifications", "id": 1}]}', "/data/0/id"),
        (b'{"data": [{"type": "notifications"}]}', "/data/0/id"),
    ],
)
async def test_malformed_bodies(world: World, body: bytes, pointer: str) -> None:
    """A malformed body is 400, and the error has a pointer to the fault."""
    answer = await world.client.post("/notifications", content=body, headers=world.bearer())

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": pointer}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/counts"), ("GET", "/notifications"), ("POST", "/notifications")]
)
async def test_unauthorized(world: World, method: str, path: str) -> None:
    """Without a token every route is 401, as JSON:API, with a Bearer challenge."""
    answer = await world.client.request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (401, JSON_API)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_bulk_with_foreign_ids(world: World) -> None:
    """A bulk request marks the caller's own entries and ignores ids of other recipients and unknown ids."""
    await world.add(SELLER, entry("overbid", "bob", id="bobs"))
    data = [{"type": "notifications", "id": name} for name in ("bobs", SELLER.id, "missing")]

    answer = await world.client.post("/notifications", json={"data": data}, headers=world.bearer())

    assert answer.status_code == 204
    assert (await world.client.get("/counts", headers=world.bearer())).json() == {"data": []}
    assert len((await world.client.get("/counts", headers=world.bearer("bob"))).json()["data"]) == 1
