"""The page where a person chooses what to be notified of, by the link in their mail."""

import re

import httpx
import pytest

from service.model.access import Account
from service.model.catalogue import AudienceRule
from service.model.holds.calendar import WEEK, QuietWindow
from service.model.ids import address_pseudonym
from service.model.reasons import Reason
from service.model.recipient import Contact, Group, Recipient
from service.pipeline.tables.preference_centre import PreferenceOwner
from tests.support.api_fixture import ApiFixture
from tests.support.rendering import make_delivery

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
async def rows(api: ApiFixture) -> None:
    await api.writes.put_recipients(
        [Recipient(id=name, address=f"{name}@example.com", version=1) for name in ("alice", "bob")]
    )
    await api.writes.put_contacts([Contact(uuid="u", account="acme", email="c@example.com", version=1)])
    await api.writes.put_group(
        Group(external_id="1", addresses={"order_confirm": ("d@example.com",)}, version=1)
    )


def link(api: ApiFixture, recipient: str = "alice", **fields: object) -> str:
    """Return the path of the page of a delivery's recipient."""
    tokens = api.app.state.authenticators.preferences
    delivery = make_delivery(recipient=recipient, received_ms=api.clock.now_ms(), **fields)
    return f"/preferences/{tokens.token(delivery)}"


async def press(api: ApiFixture, path: str, value: str) -> httpx.Response:
    """Return the page after a switch was pressed."""
    answer = await api.client.post(path, data={"set": value})
    if answer.status_code != 303:
        return answer
    assert "set" not in answer.headers["location"]
    return await api.client.get(answer.headers["location"])


def switches(page: httpx.Response) -> dict[str, str]:
    """Return the states of a page's switches by TYPE:CHANNEL."""
    found = re.findall(r'aria-checked="(\w+)"[^>]*value="(\w+:\w+):(?:on|off)"', page.text)
    return {name: state for state, name in found}


async def test_the_page_of_a_recipient(api: ApiFixture) -> None:
    """It names the masked address, has a switch for each type and channel, and loads nothing."""
    page = await api.client.get(link(api))

    assert page.status_code == 200
    assert "a•••@e•••.com" in page.text
    assert "alice" not in page.text
    assert switches(page)["overbid:email"] == switches(page)["overbid:inbox"] == "true"
    assert "script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert page.headers["x-robots-tag"] == "noindex"


async def test_a_switch(api: ApiFixture) -> None:
    """It acts at once, for this person alone; pressing the new one turns it back."""
    path = link(api)

    off = await press(api, path, "overbid:email:off")

    assert switches(off)["overbid:email"] == "false"
    assert [name for name, state in switches(off).items() if state == "false"] == ["overbid:email"]
    assert "false" not in switches(await api.client.get(link(api, "bob"))).values()
    assert switches(await press(api, path, "overbid:email:on"))["overbid:email"] == "true"


async def test_all_email_off(api: ApiFixture) -> None:
    """Every email that can be turned off is; the inbox stays. Then the button is gone."""
    off = await press(api, link(api), "*:email:off")

    states = switches(off)
    assert {state for name, state in states.items() if name.endswith(":email")} == {"false"}
    assert {state for name, state in states.items() if name.endswith(":inbox")} == {"true"}
    assert 'value="*:email:off"' not in off.text


async def test_contacts_and_group_addresses(api: ApiFixture) -> None:
    """The token says by which rule the person was found: a contact's choices are those of the contacts document."""
    contact = link(api, "u", rule=AudienceRule.account, matched="acme", type="payment_failed")
    member = link(api, address_pseudonym("d@example.com"), rule=AudienceRule.group, matched="1|")

    assert switches(await press(api, contact, "payment_failed:email:off"))["payment_failed:email"] == "false"
    row = await api.deps.writer.read_contact("acme", "u")
    assert row is not None
    assert not row.preferences["payment_failed:email"].on
    assert switches(await press(api, member, "order_confirm:email:off")) == {"order_confirm:email": "false"}
    assert switches(await press(api, member, "order_confirm:email:on")) == {"order_confirm:email": "true"}


async def test_a_frequency(api: ApiFixture) -> None:
    """A type whose mail can be in digests has a button for each; off and on again, the one that was pressed stays."""
    path = link(api)
    page = await api.client.get(path)
    assert "Emails: at once" in page.text
    assert 'value="reset_password:email:daily"' not in page.text

    daily = await press(api, path, "overbid:email:daily")

    assert "Emails: once a day" in daily.text
    assert re.search(r'value="overbid:email:daily" aria-pressed="true"', daily.text)
    assert 'value="overbid:email:weekly"' not in (await press(api, path, "overbid:email:off")).text
    assert "Emails: once a day" in (await press(api, path, "overbid:email:on")).text


async def send(api: ApiFixture, path: str, **fields: object) -> httpx.Response:
    """Return the page after a form of times was sent."""
    answer = await api.client.post(path, data=fields)
    if answer.status_code != 303:
        return answer
    assert answer.headers["location"].endswith("#times")
    return await api.client.get(answer.headers["location"])


async def test_quiet_hours(api: ApiFixture) -> None:
    """The form has those in force and a row for more; a row without times is left out."""
    path = link(api)
    first = {"start0": "22:00", "end0": "07:00", "days0": ["mon", "sun"]}
    page = await send(api, path, times="quiet", **first, start1="", end1="", days1=["mon"])
    row = await api.deps.writer.read_recipient("alice")
    assert row is not None
    assert row.quiet_hours == (QuietWindow(start="22:00", end="07:00", days=("mon", "sun")),)
    assert 'name="start0" value="22:00"' in page.text
    assert page.text.count("<fieldset>") == 2
    assert page.text.count(" checked") == 2 + 7

    for button, stored in (("none", ()), ("default", None)):
        await send(api, path, times=button)
        row = await api.deps.writer.read_recipient("alice")
        assert row is not None
        assert row.quiet_hours == stored


async def test_a_contact_has_the_quiet_hours_of_its_account(api: ApiFixture) -> None:
    """The form shows them, and says whose they are, until the contact has its own."""
    account = Account(
        id="acme", credential="x", quiet_hours=(QuietWindow(start="21:00", end="06:00"),), version=9
    )
    await api.deps.writer._stores.accounts.put(account)
    contact = link(api, "u", rule=AudienceRule.account, matched="acme", type="payment_failed")

    page = await api.client.get(contact)
    assert ("your account" in page.text, 'value="21:00"' in page.text) == (True, True)
    page = await send(api, contact, times="none")
    assert ("your account" in page.text, 'value="21:00"' in page.text) == (False, False)


async def test_a_zone(api: ApiFixture) -> None:
    """It is one of a list; old names are chosen only where the row has one."""
    page = await send(api, link(api), times="zone", zone="Europe/Vienna")
    assert "<option selected>Europe/Vienna</option>" in page.text
    assert "US/Eastern" not in page.text
    member = link(api, address_pseudonym("d@example.com"), rule=AudienceRule.group, matched="1|")
    assert 'id="times"' not in (await api.client.get(member)).text
    assert (await send(api, member, times="zone", zone="Europe/Vienna")).status_code == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"times": "zone", "zone": HOSTILE},
        {"times": "quiet", "start0": "22:00", "end0": "", "days0": "mon"},
        {"times": "quiet", "start0": "22:00", "end0": "07:00"},
        {"times": "quiet", "start0": HOSTILE, "end0": "07:00", "days0": "mon"},
        {"times": "quiet", "start0": "00:00", "end0": "00:00", "days0": list(WEEK)},
        {"times": "nothing"},
    ],
)
async def test_times_that_cannot_be_saved(api: ApiFixture, fields: dict[str, object]) -> None:
    """422 with the page, which says what is missing; nothing is written."""
    answer = await send(api, link(api), **fields)

    assert (answer.status_code, "onerror" in answer.text) == (422, False)
    assert 'role="alert"' in answer.text
    assert not api.publisher.messages


async def test_get_changes_nothing(api: ApiFixture) -> None:
    """A mail scanner that follows the link, with whatever query, writes nothing."""
    for method in ("GET", "HEAD", "OPTIONS"):
        await api.client.request(method, link(api), params={"set": "overbid:email:off"})

    assert not api.publisher.messages


async def test_what_stops_mail(api: ApiFixture) -> None:
    """An unsubscribe is named at its type, a suppression once at the top."""
    owner = PreferenceOwner("alice")
    await api.deps.writer.unsubscribe(owner.unsubscribe_key("overbid"), "overbid", "the link in a mail")
    await api.deps.writer.suppress("alice@example.com", Reason.complaint_received)

    page = await api.client.get(link(api))

    assert page.text.count("reported as spam") == 1
    assert page.text.count("You unsubscribed from these emails.") == 1
    assert switches(page)["overbid:email"] == "false"


@pytest.mark.parametrize(
    ("accepted", "words"), [("de-AT,en;q=0.5", "Alle E-Mails abschalten"), ("fr", "Turn off all emails")]
)
async def test_languages(api: ApiFixture, accepted: str, words: str) -> None:
    """The page is in the reader's language, titles too."""
    page = await api.client.get(link(api), headers={"Accept-Language": accepted})

    assert words in page.text
    assert f'lang="{"de" if accepted.startswith("de") else "en"}"' in page.text


@pytest.mark.parametrize(
    "value", ["", "overbid", "overbid:email", "overbid:email:maybe", ":email:off", HOSTILE, "é", "x" * 9000]
)
async def test_forms_that_say_nothing(api: ApiFixture, value: str) -> None:
    """400 with the page as it is."""
    answer = await api.client.post(link(api), data={"set": value} if value else {})

    assert (answer.status_code, "onerror" in answer.text) == (400, False)
    assert not api.publisher.messages


@pytest.mark.parametrize(
    "value", ["none:email:off", "payment_failed:email:off", "overbid:post:off", f"{HOSTILE}:email:on"]
)
async def test_changes_that_are_not_possible(api: ApiFixture, value: str) -> None:
    """422, and nothing is written."""
    answer = await api.client.post(link(api), data={"set": value})

    assert (answer.status_code, "onerror" in answer.text) == (422, False)
    assert not api.publisher.messages


async def test_links_that_do_not_work(api: ApiFixture) -> None:
    """Each says why: not ours, expired, or of a person who is no longer there."""
    expired = link(api)
    for method in ("GET", "POST"):
        assert (await api.client.request(method, f"/preferences/{HOSTILE}")).status_code == 404
        assert (await api.client.request(method, link(api, "dave"))).status_code == 410
    api.clock.advance(92 * 86_400_000)
    for method in ("GET", "POST"):
        answer = await api.client.request(method, expired)
        assert (answer.status_code, "has expired" in answer.text) == (410, True)


async def test_an_outage(api: ApiFixture) -> None:
    """503 with Retry-After, and a text that does not claim that nothing was saved."""
    api.tables.reason = "loading"  # type: ignore[attr-defined]

    for method in ("GET", "POST"):
        answer = await api.client.request(method, link(api), data={"set": "overbid:email:off"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
