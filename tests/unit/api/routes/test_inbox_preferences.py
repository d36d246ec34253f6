"""The caller's preferences, as the inbox component shows them."""

from typing import Any

import httpx
import pytest

from service.model.reasons import Reason
from service.model.recipient import Recipient
from service.pipeline.tables.preference_centre import PreferenceOwner
from tests.support.api_fixture import ApiFixture

PATH = "/v1/inbox/preferences"


@pytest.fixture(autouse=True)
async def recipients(api: ApiFixture) -> None:
    await api.writes.put_recipients(
        [
            Recipient(id="alice", address="alice@example.com", locale="de", version=1),
            Recipient(id="bob", address="bob@example.com", version=1),
        ]
    )


async def change(api: ApiFixture, *preferences: dict[str, Any], sub: str = "alice") -> httpx.Response:
    return await api.client.patch(PATH, json={"preferences": preferences}, headers=api.bearer(sub))


def row(document: dict[str, Any], type_name: str) -> dict[str, Any]:
    (found,) = (one for one in document["types"] if one["type"] == type_name)
    return found  # type: ignore[no-any-return]


async def test_a_listing(api: ApiFixture) -> None:
    """Titles are in the recipient's language unless another is asked for; the address is masked."""
    german = (await api.client.get(PATH, headers=api.bearer())).json()
    english = (await api.client.get(PATH, params={"locale": "en-GB"}, headers=api.bearer())).json()

    assert (german["address"], german["locale"], english["locale"]) == ("a•••@e•••.com", "de", "en")
    assert row(german, "overbid") == {
        "type": "overbid",
        "title": "Neues Höchstgebot",
        "domain": "auction",
        "channels": [
            {"channel": name, "on": True, "mandatory": False, "since": None}
            | {"frequency": frequency, "blocked": None, "detail": None}
            for name, frequency in (("email", "instant"), ("inbox", None))
        ],
    }
    assert (german["timezone"], german["quiet_hours"]) == ("UTC", None)
    assert row(english, "overbid")["title"] == "New high bidder"


async def test_a_change(api: ApiFixture) -> None:
    """The response has what is in force now, and only the caller's row changes."""
    answer = await change(api, {"type": "overbid", "channel": "email", "on": False})

    email, inbox = row(answer.json(), "overbid")["channels"]
    assert (answer.status_code, email["on"], inbox["on"]) == (200, False, True)
    assert email["since"].endswith("Z")
    assert answer.json() == (await api.client.get(PATH, headers=api.bearer())).json()
    other = (await api.client.get(PATH, headers=api.bearer("bob"))).json()
    assert row(other, "overbid")["channels"][0]["on"]


async def test_a_frequency(api: ApiFixture) -> None:
    """It stays when the channel is turned off and on again."""
    mail = {"type": "overbid", "channel": "email"}
    for body in (mail | {"on": True, "frequency": "daily"}, mail | {"on": False}, mail | {"on": True}):
        answer = await change(api, body)
        email = row(answer.json(), "overbid")["channels"][0]
        assert (answer.status_code, email["on"], email["frequency"]) == (200, body["on"], "daily")


async def test_zone_and_quiet_hours(api: ApiFixture) -> None:
    """Each may be changed alone; null is the default, an empty list no quiet hours at all."""
    night = {"start": "22:00", "end": "07:00", "days": ["mon", "tue"]}
    for body, zone, quiet_hours in (
        ({"timezone": "Europe/Vienna"}, "Europe/Vienna", None),
        ({"quiet_hours": [night]}, "Europe/Vienna", [night]),
        ({"quiet_hours": []}, "Europe/Vienna", []),
        ({"quiet_hours": None, "timezone": "UTC"}, "UTC", None),
    ):
        answer = await api.client.patch(PATH, json=body, headers=api.bearer())
        assert answer.status_code == 200
        assert (answer.json()["timezone"], answer.json()["quiet_hours"]) == (zone, quiet_hours)


async def test_what_stops_email(api: ApiFixture) -> None:
    """An unsubscribe and a suppression have a sentence in the language of the response."""
    owner = PreferenceOwner("alice")
    await api.deps.writer.unsubscribe(owner.unsubscribe_key("overbid"), "overbid", "the link in a mail")
    english = {"params": {"locale": "en"}, "headers": api.bearer()}

    blocked = row((await api.client.get(PATH, **english)).json(), "overbid")["channels"][0]
    assert (blocked["on"], blocked["blocked"]["reason"]) == (False, "unsubscribed")
    assert blocked["blocked"]["detail"] == "You unsubscribed from these emails."
    await api.deps.writer.suppress("alice@example.com", Reason.complaint_received)
    blocked = row((await api.client.get(PATH, **english)).json(), "winner")["channels"][0]
    assert (blocked["on"], blocked["blocked"]["reason"]) == (True, "suppressed")
    assert "reported as spam" in blocked["blocked"]["detail"]
    answer = await change(api, {"type": "overbid", "channel": "email", "on": True})
    assert row(answer.json(), "overbid")["channels"][0]["blocked"]["reason"] == "suppressed"
    assert await api.deps.writer.read_unsubscribe(owner.unsubscribe_key("overbid")) is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/preferences"),
        ({"preferences": []}, "#/preferences"),
        ({"preferences": [{"type": "overbid", "channel": "email"}]}, "#/preferences/0/on"),
        ({"preferences": [{"type": "overbid", "channel": "sms", "on": True}]}, "#/preferences/0/channel"),
        ({"preferences": [{"type": "overbid", "channel": "email", "on": 1}]}, "#/preferences/0/on"),
        ({"preferences": [{"type": "payment", "channel": "email", "on": True}]}, "#/preferences/0/type"),
        ({"preferences": [{"type": "x" * 65, "channel": "email", "on": True}]}, "#/preferences/0/type"),
        ({"recipient": "bob", "preferences": []}, "#/preferences"),
        ({"timezone": "Mars/Base"}, "#/timezone"),
        ({"quiet_hours": [{"start": "1", "end": "2"}]}, "#/quiet_hours/0/start"),
        (
            {"preferences": [{"type": "overbid", "channel": "inbox", "on": True, "frequency": "daily"}]},
            "#/preferences/0/frequency",
        ),
        (
            {"preferences": [{"type": "overbid", "channel": "email", "on": True, "frequency": "off"}]},
            "#/preferences/0/frequency",
        ),
    ],
)
async def test_bad_changes(api: ApiFixture, body: dict[str, Any], pointer: str) -> None:
    """422, with a pointer to the field; nothing is written."""
    answer = await api.client.patch(PATH, json=body, headers=api.bearer())

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not api.publisher.messages


async def test_a_caller_without_a_row(api: ApiFixture) -> None:
    """404: there is nothing to choose for one who cannot be notified."""
    assert (await api.client.get(PATH, headers=api.bearer("dave"))).status_code == 404
    assert (
        await change(api, {"type": "overbid", "channel": "email", "on": False}, sub="dave")
    ).status_code == 404
