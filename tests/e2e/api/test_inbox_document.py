"""Every example in the inbox document."""

import re

import pytest

from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State, Transition
from service.model.reasons import Reason
from tests.e2e.api.seed_documents import COUNTS, NOTIFICATIONS, compact
from tests.support.api_fixture import ApiFixture, inbox_item

JSON_API = "application/vnd.api+json"
SELLER = inbox_item(
    "message_from_seller",
    id="uyErieIJuRUaSbqC",
    at_ms=1_554_733_057_000,
    lot_id="1",
    receiver_id="GBIOUELRPQIXUIXJSXPSDTSHCMJFVUK36GIQOLTZWFYK5NRZCS64UDJB",
    sender_id="GCFFCRD32PLJD2SIQF4O5ZORSRBMRQRTU6KKILR5XO3TWCBTASF3PTTS",
)
INVOICE = inbox_item(
    "invoice_attached", id="QCpWNUulPQswPFBG", at_ms=1_554_733_057_999, lot_id="1", invoice_id="invoice-id"
)


async def test_counts(api: ApiFixture) -> None:
    """GET /counts returns the document's response, with the JSON:API media type."""
    await api.add(inbox_item("carfax_report_for_watchlist_auction", request_id="r1"))

    answer = await api.client.get("/counts", headers=api.bearer())

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON_API)
    assert answer.content == compact(COUNTS)


async def test_counts_of_an_empty_inbox(api: ApiFixture) -> None:
    """Types without unread entries are left out."""
    answer = await api.client.get("/counts", headers=api.bearer())

    assert answer.content == b'{"data":[]}'


async def test_notifications(api: ApiFixture) -> None:
    """GET /notifications returns the document's response: oldest first, attributes in their order, no links.

    Each resource has a `meta` of ours behind the attributes; without it the bytes are the document's.
    """
    await api.add(INVOICE, SELLER)

    answer = await api.client.get("/notifications", headers=api.bearer())

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON_API)
    assert re.sub(rb',"meta":\{"line":[^}]*\}', b"", answer.content) == compact(NOTIFICATIONS)


async def test_words_and_link(api: ApiFixture) -> None:
    """An entry has what a list shows: its line and the page that it is about; in pages too."""
    await api.add(INVOICE, SELLER)
    words = [
        {"line": "About message_from_seller", "link": "https://tocsin.test/lots/1/messages"},
        {"line": "About invoice_attached", "link": "https://tocsin.test/documents/invoice-id"},
    ]

    for query in ({}, {"page[size]": "5"}, {"filter[status]": "all"}):
        answer = await api.client.get("/notifications", params=query, headers=api.bearer())
        assert [entry["meta"] for entry in answer.json()["data"]] == words


async def test_the_link_of_a_brand(api: ApiFixture) -> None:
    """The link leads to the site of the brand of the entry's event; of a brand that is gone, to the default one's."""
    await api.add(SELLER._replace(brand="gone"))

    answer = await api.client.get("/notifications", headers=api.bearer())

    assert answer.json()["data"][0]["meta"]["link"] == "https://tocsin.test/lots/1/messages"


async def test_an_entry_without_a_line_or_a_type(api: ApiFixture) -> None:
    """An entry without a line shows its type's title; of a type that is no longer declared, the name and no link."""
    gone = inbox_item("winner", id="b", at_ms=1_554_733_058_000)._replace(type="gone", line="")
    await api.add(SELLER._replace(line=""), gone)

    answer = await api.client.get("/notifications", headers=api.bearer())

    first, second = (entry["meta"] for entry in answer.json()["data"])
    assert first == {"line": "Message from the seller", "link": "https://tocsin.test/lots/1/messages"}
    assert second == {"line": "gone", "link": None}


@pytest.mark.parametrize(
    ("sort", "first"), [("created_at", "uyErieIJuRUaSbqC"), ("-created_at", "QCpWNUulPQswPFBG")]
)
async def test_sorting_key(api: ApiFixture, sort: str, first: str) -> None:
    """sort=created_at is the default order, a minus reverses it."""
    await api.add(SELLER, INVOICE)

    answer = await api.client.get("/notifications", params={"sort": sort}, headers=api.bearer())

    assert answer.json()["data"][0]["id"] == first


async def test_mark_one_read(api: ApiFixture) -> None:
    """DELETE returns 204 without a body, and the entry is no longer unread."""
    await api.add(SELLER, INVOICE)

    answer = await api.client.delete(f"/notifications/{SELLER.id}", headers=api.bearer())

    assert (answer.status_code, answer.content) == (204, b"")
    left = await api.client.get("/notifications", headers=api.bearer())
    assert [row["id"] for row in left.json()["data"]] == [INVOICE.id]


async def test_mark_one_read_errors(api: ApiFixture) -> None:
    """401 without a token, 403 for another recipient's entry, 404 for a missing one; nothing is marked."""
    event = event_key("/shop", "1")
    entry = SELLER._replace(id=delivery_id(event, SELLER.recipient, "inbox"))
    opened = NewEntry(event, entry.id, SELLER.recipient, "inbox", State.queued, Reason.none, 1)
    await api.deps.ledger.open([], [opened])
    await api.deps.ledger.transition([Transition(event, entry.id, State.delivered, Reason.none, 2)])
    await api.add(entry)

    missing_token = await api.client.delete(f"/notifications/{entry.id}")
    other = await api.client.delete(f"/notifications/{entry.id}", headers=api.bearer("bob"))
    missing_entry = await api.client.delete("/notifications/nothing", headers=api.bearer())

    assert [missing_token.status_code, other.status_code, missing_entry.status_code] == [401, 403, 404]
    assert {answer.headers["content-type"] for answer in (missing_token, other, missing_entry)} == {JSON_API}
    assert [answer.json()["errors"][0]["status"] for answer in (missing_token, other, missing_entry)] == [
        "401",
        "403",
        "404",
    ]
    assert len((await api.client.get("/notifications", headers=api.bearer())).json()["data"]) == 1


async def test_mark_many_read(api: ApiFixture) -> None:
    """POST /notifications with the document's body returns 204 and marks both."""
    await api.add(SELLER, INVOICE)
    body = b"""{"data": [
        {"type": "notifications", "id": "uyErieIJuRUaSbqC"},
        {"type": "notifications", "id": "QCpWNUulPQswPFBG"}
    ]}"""

    answer = await api.client.post(
        "/notifications", content=body, headers={**api.bearer(), "Content-Type": JSON_API}
    )

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.client.get("/counts", headers=api.bearer())).json() == {"data": []}


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
async def test_malformed_bodies(api: ApiFixture, body: bytes, pointer: str) -> None:
    """A malformed body is 400, and the error has a pointer to the fault."""
    answer = await api.client.post("/notifications", content=body, headers=api.bearer())

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": pointer}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/counts"), ("GET", "/notifications"), ("POST", "/notifications")]
)
async def test_unauthorized(api: ApiFixture, method: str, path: str) -> None:
    """Without a token every route is 401, as JSON:API, with a Bearer challenge."""
    answer = await api.client.request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (401, JSON_API)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_bulk_with_foreign_ids(api: ApiFixture) -> None:
    """A bulk request marks the caller's own entries and ignores ids of other recipients and unknown ids."""
    await api.add(SELLER, inbox_item("overbid", "bob", id="bobs"))
    data = [{"type": "notifications", "id": name} for name in ("bobs", SELLER.id, "missing")]

    answer = await api.client.post("/notifications", json={"data": data}, headers=api.bearer())

    assert answer.status_code == 204
    assert (await api.client.get("/counts", headers=api.bearer())).json() == {"data": []}
    assert len((await api.client.get("/counts", headers=api.bearer("bob"))).json()["data"]) == 1
