"""Every example in the contacts and preferences document."""

import uuid

import orjson
import pytest

from service.model.recipient import Choice, Contact
from tests.e2e.api.seed_documents import (
    CONTACTS,
    MAIN,
    PREFERENCES,
    compact,
    preference,
    preferences,
    switched_off,
)
from tests.support.api_fixture import ApiFixture, basic

JSON = "application/json; charset=utf-8"
MAIN_CONTACT = Contact(
    uuid=MAIN,
    account="acme",
    email="some_email_1@example.com",
    name="Some Name",
    main=True,
    preferences={f"{name}:email": Choice(on=False) for name in switched_off()},
    version=1,
)
NEW = {"email": "some_email_2@example.com", "name": "Some Name 2", "phone": "+1 123 555 1234"}


@pytest.fixture
async def acme(api: ApiFixture) -> ApiFixture:
    """Return an API with the document's account: one contact, with its preferences."""
    await api.writes.put_contacts([MAIN_CONTACT])
    api.client.auth = basic()
    return api


async def test_listing(acme: ApiFixture) -> None:
    """GET of the contacts with limit=0 returns the document's response."""
    answer = await acme.client.get(f"{CONTACTS}?limit=0", headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    assert answer.content == compact(
        b"""{
        "meta": {"limit": 0, "offset": 0, "total_count": 1},
        "objects": [
            {
                "email": "some_email_1@example.com",
                "main": true,
                "name": "Some Name",
                "phone": "",
                "resource_uri": "/api/2.0/notification_contacts/cc15a0ea-6009-408e-8d47-0d39ad25fd70/",
                "uuid": "cc15a0ea-6009-408e-8d47-0d39ad25fd70"
            }
        ]
    }"""
    )


async def test_creating(acme: ApiFixture) -> None:
    """POST of objects returns 201 with them; main is null, and the id is a new UUID."""
    answer = await acme.client.post(CONTACTS, json={"objects": [NEW]})

    assert (answer.status_code, answer.headers["content-type"]) == (201, JSON)
    made = answer.json()["objects"][0]["uuid"]
    assert uuid.UUID(made).version == 4
    assert answer.content == orjson.dumps(
        {
            "objects": [
                {
                    "email": "some_email_2@example.com",
                    "main": None,
                    "name": "Some Name 2",
                    "phone": "+1 123 555 1234",
                    "resource_uri": f"{CONTACTS}{made}/",
                    "uuid": made,
                }
            ]
        }
    )


async def test_editing(acme: ApiFixture) -> None:
    """PUT changes the fields in the body, keeps the others, and returns the contact with pk."""
    made = (await acme.client.post(CONTACTS, json={"objects": [NEW]})).json()["objects"][0]["uuid"]
    body = {"email": "some_email_2@example.com", "name": "Some New Name"}

    answer = await acme.client.put(f"{CONTACTS}{made}/", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    assert answer.content == orjson.dumps(
        {
            "email": "some_email_2@example.com",
            "main": None,
            "name": "Some New Name",
            "phone": "+1 123 555 1234",
            "pk": made,
            "resource_uri": f"{CONTACTS}{made}/",
            "uuid": made,
        }
    )


async def test_deleting(acme: ApiFixture) -> None:
    """DELETE returns 204, as text/html without a body, and removes the contact with its preferences."""
    made = (await acme.client.post(CONTACTS, json={"objects": [NEW]})).json()["objects"][0]["uuid"]

    answer = await acme.client.delete(f"{CONTACTS}{made}/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await acme.client.get(CONTACTS)).json()["meta"]["total_count"] == 1
    assert (await acme.client.get(PREFERENCES)).json()["meta"]["total_count"] == 23


async def test_the_main_contact_is_protected(acme: ApiFixture) -> None:
    """The main contact cannot be deleted, a second one cannot be added, and the choice cannot be changed."""
    second = (await acme.client.post(CONTACTS, json={"objects": [NEW]})).json()["objects"][0]["uuid"]

    deleted = await acme.client.delete(f"{CONTACTS}{MAIN}/")
    doubled = await acme.client.post(CONTACTS, json={"objects": [{**NEW, "main": True}]})
    raised = await acme.client.put(f"{CONTACTS}{second}/", json={"main": True})
    lowered = await acme.client.put(f"{CONTACTS}{MAIN}/", json={"main": None})

    assert [answer.status_code for answer in (deleted, doubled, raised, lowered)] == [409] * 4
    mains = [row["main"] for row in (await acme.client.get(CONTACTS)).json()["objects"]]
    assert mains == [True, None]


async def test_preferences_listing(acme: ApiFixture) -> None:
    """GET of the preferences with limit=0 returns the document's 23 types, in its order, each with its medium."""
    answer = await acme.client.get(f"{PREFERENCES}?limit=0")

    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    assert answer.content == compact(preferences())


async def test_updating_one(acme: ApiFixture) -> None:
    """PUT of one object returns 202 with only that object, and nothing else changes."""
    body = preference("subscription_renewal_soon", False)

    answer = await acme.client.put(PREFERENCES, json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (202, JSON)
    assert answer.content == orjson.dumps({"objects": [body]})
    rows = (await acme.client.get(f"{PREFERENCES}?limit=0")).json()["objects"]
    assert rows == [body, *orjson.loads(preferences())["objects"][1:]]


async def test_updating_several(acme: ApiFixture) -> None:
    """PUT of a list returns 202 with only the objects of the request, in its order."""
    names = ("out_of_money_soon", "subscription_expire_soon", "subscription_renewal_success")
    body = [preference(name, True) for name in names]

    answer = await acme.client.put(PREFERENCES, json=body)

    assert answer.status_code == 202
    assert answer.content == orjson.dumps({"objects": body})
    rows = (await acme.client.get(f"{PREFERENCES}?limit=0")).json()["objects"]
    assert [row["value"] for row in rows[:5]] == [True, True, True, True, False]


async def test_a_new_contact_has_every_preference_on(acme: ApiFixture) -> None:
    """The preferences of a new contact are all on, and are listed after the others."""
    made = (await acme.client.post(CONTACTS, json={"objects": [NEW]})).json()["objects"][0]["uuid"]

    answer = (await acme.client.get(f"{PREFERENCES}?limit=23&offset=23")).json()

    assert answer["meta"] == {"limit": 23, "offset": 23, "total_count": 46}
    assert {row["contact"] for row in answer["objects"]} == {f"{CONTACTS}{made}/"}
    assert all(row["value"] for row in answer["objects"])


async def test_paging(acme: ApiFixture) -> None:
    """The default limit is 20; limit and offset select a page; an invalid limit is 400."""
    first = (await acme.client.get(PREFERENCES)).json()
    rest = (await acme.client.get(f"{PREFERENCES}?offset=20&limit=20")).json()
    beyond = (await acme.client.get(f"{PREFERENCES}?offset=99")).json()
    refused = await acme.client.get(f"{PREFERENCES}?limit=-1")

    assert first["meta"] == {"limit": 20, "offset": 0, "total_count": 23}
    assert [len(answer["objects"]) for answer in (first, rest, beyond)] == [20, 3, 0]
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, "limit")


async def test_unauthorized(api: ApiFixture) -> None:
    """Without a password, or with a wrong one, every route is 401 with a Basic challenge."""
    missing = await api.client.get(CONTACTS)
    wrong = await api.client.get(PREFERENCES, auth=basic(password="guess"))
    unknown = await api.client.get(CONTACTS, auth=basic("nobody"))

    assert [answer.status_code for answer in (missing, wrong, unknown)] == [401] * 3
    assert all(answer.headers["www-authenticate"].startswith("Basic") for answer in (missing, wrong, unknown))
    assert wrong.json() == unknown.json()
