"""Contacts and preferences beyond the examples of their document."""

from typing import Any

import pytest

from service.model.holds.calendar import Frequency
from service.model.recipient import Choice, Contact
from service.settings.limits import LimitSettings
from tests.fakes.tables import FakeTables
from tests.support.api_fixture import ApiFixture, basic, fake_api

CONTACTS, PREFERENCES = "/api/2.0/notification_contacts/", "/api/2.0/notification_preferences/"
NEW = {"email": "a@example.com", "name": "A"}


async def add(api: ApiFixture, **fields: Any) -> str:
    answer = await api.client.post(CONTACTS, json={"objects": [{**NEW, **fields}]}, auth=basic())
    uuid: str = answer.json()["objects"][0]["uuid"]
    return uuid


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/objects"),
        ({"objects": []}, "#/objects"),
        ({"objects": [{"name": "A"}]}, "#/objects/0/email"),
        ({"objects": [NEW, {"email": "nobody"}]}, "#/objects/1/email"),
        ({"objects": [{**NEW, "email": ""}]}, "#/objects/0/email"),
        ({"objects": [{**NEW, "email": None}]}, "#/objects/0/email"),
        ({"objects": [{**NEW, "name": "a\nBcc: b"}]}, "#/objects/0/name"),
        ({"objects": [{**NEW, "phone": 5}]}, "#/objects/0/phone"),
        ({"objects": [{**NEW, "main": "yes"}]}, "#/objects/0/main"),
        ({"objects": [{**NEW, "emial": "x"}]}, "#/objects/0/emial"),
        ([], "#"),
    ],
)
async def test_refused_contacts(api: ApiFixture, body: Any, pointer: str) -> None:
    """422 names the field; none of the objects is created."""
    answer = await api.client.post(CONTACTS, json=body, auth=basic())

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not api.publisher.messages


async def test_round_trip(api: ApiFixture) -> None:
    """A contact of a listing can be sent back unchanged, and changes nothing."""
    uuid = await add(api, main=True)
    listed = (await api.client.get(f"{CONTACTS}{uuid}/", auth=basic())).json()

    answer = await api.client.put(f"{CONTACTS}{uuid}/", json=listed, auth=basic())

    assert answer.json() == {**listed, "pk": uuid}
    assert len(api.publisher.messages) == 1


async def test_the_first_may_be_the_main_contact(api: ApiFixture) -> None:
    """An account without a main contact can get one, but not two at once."""
    both = await api.client.post(
        CONTACTS, json={"objects": [{**NEW, "main": True}, {**NEW, "main": True}]}, auth=basic()
    )

    assert both.status_code == 409
    await add(api, main=True)
    assert (await api.client.get(CONTACTS, auth=basic())).json()["objects"][0]["main"] is True


async def test_another_accounts_contact(api: ApiFixture) -> None:
    """Another account's contact is 404 on every route, like a missing one, and is not changed."""
    theirs = Contact(
        uuid="11111111-1111-4111-8111-111111111111", account="other", email="o@example.com", version=1
    )
    await api.writes.put_contacts([theirs])
    preference = {
        "contact": f"{CONTACTS}{theirs.uuid}/",
        "medium": "email",
        "type": "payment",
        "value": False,
    }

    for uuid in (theirs.uuid, "nothing", "22222222-2222-4222-8222-222222222222"):
        path = f"{CONTACTS}{uuid}/"
        got = await api.client.get(path, auth=basic())
        put = await api.client.put(path, json={"name": "x"}, auth=basic())
        deleted = await api.client.delete(path, auth=basic())
        changed = await api.client.put(
            PREFERENCES, json={**preference, "contact": f"{CONTACTS}{uuid}/"}, auth=basic()
        )
        assert [a.status_code for a in (got, put, deleted, changed)] == [404] * 4
        assert got.json() == put.json() == deleted.json() == changed.json()
    assert api.tables.contacts["other"][theirs.uuid] == theirs  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"type": "overbid"}, "#/1/type"),
        ({"type": "payment", "medium": "api"}, "#/1/medium"),
        ({"medium": "sms"}, "#/1/medium"),
        ({"value": "true"}, "#/1/value"),
        ({"value": 1}, "#/1/value"),
        ({"extra": 1}, "#/1/extra"),
    ],
)
async def test_refused_preferences(api: ApiFixture, change: Any, pointer: str) -> None:
    """One invalid object, and none is applied."""
    uuid = await add(api)
    good = {"contact": f"{CONTACTS}{uuid}/", "medium": "email", "type": "payment", "value": False}

    answer = await api.client.put(PREFERENCES, json=[good, {**good, **change}], auth=basic())

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    listed = (await api.client.get(f"{PREFERENCES}?limit=0", auth=basic())).json()["objects"]
    assert all(row["value"] for row in listed)


async def test_a_choice_keeps_its_date(api: ApiFixture) -> None:
    """Setting a preference to its current value publishes no record and keeps the date."""
    uuid = await add(api)
    off = {"contact": f"{CONTACTS}{uuid}/", "medium": "api", "type": "payment_withheld", "value": False}

    for _ in range(2):
        await api.client.put(PREFERENCES, json=off, auth=basic())
        api.clock.advance(1000)

    assert len(api.publisher.messages) == 2
    row = api.tables.contacts["acme"][uuid]  # type: ignore[attr-defined]
    assert row.preferences == {
        "payment_withheld:inbox": Choice(on=False, since_ms=1_700_000_000_000, by="account:acme")
    }


async def test_a_frequency_that_was_set_stays(api: ApiFixture) -> None:
    """The document knows on and off only: off and on again, a digest is a digest as before."""
    uuid = await add(api)
    tables: FakeTables = api.tables  # type: ignore[assignment]
    daily = Choice(on=True, since_ms=1, frequency=Frequency.daily)
    row = tables.contacts["acme"][uuid]
    tables.contacts["acme"][uuid] = row.model_copy(update={"preferences": {"payment:email": daily}})
    preference = {"contact": f"{CONTACTS}{uuid}/", "medium": "email", "type": "payment"}

    for on in (True, False, True):
        answer = await api.client.put(PREFERENCES, json={**preference, "value": on}, auth=basic())
        assert answer.json()["objects"] == [{**preference, "value": on}]
        choice = tables.contacts["acme"][uuid].preferences["payment:email"]
        assert (choice.on, choice.frequency) == (on, "daily")


async def test_deletion_is_a_tombstone(api: ApiFixture) -> None:
    """Deleting publishes a tombstone with the version in a header."""
    uuid = await add(api)

    await api.client.delete(f"{CONTACTS}{uuid}/", auth=basic())

    message = api.publisher.messages[-1]
    assert (message.topic, message.key, message.value) == ("tables.contacts", f"acme|{uuid}".encode(), None)
    assert message.headers == (("version", b"1700000000001"),)


async def test_behind_a_prefix() -> None:
    """Behind a proxy that strips a prefix, URIs in responses have the prefix and are accepted with it."""
    async with fake_api(http={"root_path": "/tocsin"}) as api:
        uuid = await add(api)
        listed = (await api.client.get(CONTACTS, auth=basic())).json()["objects"][0]
        whole = await api.client.get(f"/tocsin{CONTACTS}", auth=basic())
        off = {"contact": listed["resource_uri"], "medium": "email", "type": "payment", "value": False}
        put = await api.client.put(PREFERENCES, json=off, auth=basic())

    assert listed["resource_uri"] == f"/tocsin{CONTACTS}{uuid}/"
    assert whole.json()["objects"] == [listed]
    assert (put.status_code, put.json()) == (202, {"objects": [off]})


async def test_any_page_of_preferences_is_a_slice_of_all(api: ApiFixture) -> None:
    """A page can begin and end in the middle of a contact; total_count is always that of all preferences."""
    for _ in range(3):
        await add(api)
    every = (await api.client.get(f"{PREFERENCES}?limit=0", auth=basic())).json()
    total = every["meta"]["total_count"]
    kinds = total // 3

    for offset in (0, 1, kinds - 1, kinds, kinds + 1, total - 1, total, total + 5):
        for limit in (0, 1, 2, kinds, kinds + 1, 2 * kinds + 1):
            query = f"{PREFERENCES}?limit={limit}&offset={offset}"
            page = (await api.client.get(query, auth=basic())).json()
            assert page["meta"]["total_count"] == total
            assert page["objects"] == every["objects"][offset : offset + limit if limit else None]


async def test_an_account_has_a_limited_number_of_contacts() -> None:
    """Beyond it nothing is created, and 409 says how many there may be; after a deletion there is room again."""
    async with fake_api(limits=LimitSettings(contacts=3)) as api:
        uuid = await add(api)
        four = await api.client.post(CONTACTS, json={"objects": [NEW] * 3}, auth=basic())
        three = await api.client.post(CONTACTS, json={"objects": [NEW] * 2}, auth=basic())
        one_more = await api.client.post(CONTACTS, json={"objects": [NEW]}, auth=basic())
        await api.client.delete(f"{CONTACTS}{uuid}/", auth=basic())
        room = await api.client.post(CONTACTS, json={"objects": [NEW]}, auth=basic())

    assert [a.status_code for a in (four, three, one_more, room)] == [409, 201, 409, 201]
    assert (four.json()["type"], four.json()["limit"]) == ("urn:tocsin:problem:too-many-contacts", 3)


async def test_new_contacts_are_rate_limited_by_their_number() -> None:
    """A request that creates many counts as many; a limit that would be exceeded creates none of them."""
    async with fake_api(limits=LimitSettings(new_contacts="5/day")) as api:
        answers = [
            (await api.client.post(CONTACTS, json={"objects": [NEW] * number}, auth=basic())).status_code
            for number in (4, 2, 1, 1)
        ]
        listed = (await api.client.get(CONTACTS, auth=basic())).json()

    assert answers == [201, 429, 201, 429]
    assert listed["meta"]["total_count"] == 5


async def test_many_objects_count_as_many_requests() -> None:
    """A listing or a change of thousands of objects uses up the limit as so many requests would."""
    async with fake_api(limits=LimitSettings(account="20/minute")) as api:
        rows = [Contact(uuid=f"u{n}", account="acme", email="a@example.com", version=1) for n in range(1500)]
        await api.writes.put_contacts(rows)
        statuses = []
        for limit in (1, 1000, 0, 0):
            answer = await api.client.get(f"{PREFERENCES}?limit={limit}", auth=basic())
            statuses.append((answer.status_code, answer.headers["ratelimit-remaining"]))

    assert [status for status, _ in statuses[:2]] == [200, 200]
    assert statuses[1][1] == "17"  # 20, less three requests' worth
    assert [status for status, _ in statuses[2:]] == [429, 429]


async def test_a_long_listing_is_the_short_ones_joined(api: ApiFixture) -> None:
    """A listing that is sent in parts has the same objects in the same order, and the same media type."""
    rows = [Contact(uuid=f"u{n:04}", account="acme", email="a@example.com", version=1) for n in range(450)]
    await api.writes.put_contacts(rows)
    for path in (CONTACTS, PREFERENCES):
        whole = await api.client.get(f"{path}?limit=0", auth=basic())
        pages = []
        while len(pages) < whole.json()["meta"]["total_count"]:
            page = await api.client.get(f"{path}?limit=150&offset={len(pages)}", auth=basic())
            pages += page.json()["objects"]

        assert whole.json()["objects"] == pages
        assert whole.headers["content-type"] == "application/json; charset=utf-8"
