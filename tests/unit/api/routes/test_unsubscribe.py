"""The page behind the unsubscribe link."""

import re
from dataclasses import replace

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.api.routes.unsubscribe_page import UnsubscribePage, page
from service.model.unsubscribe import unsubscribe_key
from service.pages.brand import BrandFields, Brands, BrandTable, default_brand
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.settings import DEV_SECRET, MailSettings, templates_directory
from tests.support.api_fixture import ApiFixture, fake_api
from tests.unit.pipeline.tables.test_unsubscribe_tokens import DAY_MS, delivery

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
KEY = unsubscribe_key("", "alice", "overbid")


def link(type_name: str = "overbid", recipient: str = "alice", secret: str = DEV_SECRET) -> str:
    return "/unsubscribe/" + UnsubscribeTokens([secret], 90).token(
        delivery(type=type_name, recipient=recipient)
    )


async def test_get_changes_nothing(api: ApiFixture) -> None:
    """Mail scanners follow links: the page has a form, no script, and nothing is written."""
    answer = await api.client.get(link())

    assert answer.status_code == 200
    assert "Stop these emails?" in answer.text
    assert '<form method="post"' in answer.text
    assert "<script" not in answer.text
    assert not api.tables.unsubscribes
    assert not api.publisher.messages
    assert (await api.client.head(link())).status_code == 200


@pytest.mark.parametrize("known", [True, False])
async def test_one_click_acts_without_login(api: ApiFixture, known: bool) -> None:
    """The POST of a mail client (RFC 8058) stops the type; known and unknown recipients get the same response."""
    answer = await api.client.post(link(recipient="alice" if known else "nobody"), data=ONE_CLICK)

    assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
    key = KEY if known else unsubscribe_key("", "nobody", "overbid")
    assert (row := await api.tables.unsubscribed(key))
    assert (row.type, row.by) == ("overbid", "the link in a mail")
    assert [(m.topic, m.key) for m in api.publisher.messages] == [("tables.unsubscribes", key.encode())]


async def test_a_multipart_form_is_accepted(api: ApiFixture) -> None:
    """RFC 8058 section 3.1 allows both kinds of form."""
    answer = await api.client.post(link(), files={"List-Unsubscribe": (None, "One-Click")})

    assert "You are unsubscribed" in answer.text
    assert await api.tables.unsubscribed(KEY)


@pytest.mark.parametrize("body", [b"", b"x", b"List-Unsubscribe=", b"\xff\xfe", b"&" * 500, b"a=b&" * 2000])
async def test_a_post_without_the_field_changes_nothing(api: ApiFixture, body: bytes) -> None:
    """A body without the field of a button gets the page with the question again."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await api.client.post(link(), content=body, headers=headers)

    assert (answer.status_code, "Stop these emails?" in answer.text) == (400, True)
    assert not api.tables.unsubscribes


async def test_repeats_and_resubscribing(api: ApiFixture) -> None:
    """A repeat keeps the first time; the other button resumes emails; GET shows the current state."""
    await api.client.post(link(), data=ONE_CLICK)
    first = await api.tables.unsubscribed(KEY)
    api.clock.advance(1000)
    await api.client.post(link(), data=ONE_CLICK)
    assert await api.tables.unsubscribed(KEY) == first
    current = await api.client.get(link())
    assert "Subscribe again" in current.text
    field = re.search(r'name="([^"]+)" value="([^"]+)"', current.text)
    assert field

    back = await api.client.post(link(), data={field[1]: field[2]})

    assert "You are subscribed again" in back.text
    assert await api.tables.unsubscribed(KEY) is None
    assert api.publisher.messages[-1].value is None
    assert "Stop these emails?" in (await api.client.get(link())).text
    api.clock.advance(1000)
    await api.client.post(link(), data=ONE_CLICK)
    assert await api.tables.unsubscribed(KEY)


async def test_a_mandatory_type_is_refused_with_an_explanation() -> None:
    """Nothing is written, and the page explains why."""
    async with fake_api() as api:
        catalogue = load_catalogue(templates_directory(), ("overbid",))
        api.app.state.deps = replace(api.deps, catalogue=catalogue)
        got = await api.client.get(link())
        answer = await api.client.post(link(), data=ONE_CLICK)

    assert [got.status_code, answer.status_code] == [403, 403]
    assert "cannot be turned off" in answer.text
    assert not api.tables.unsubscribes


async def test_forged_and_expired_links(api: ApiFixture) -> None:
    """A forged or expired link gets a page that explains the fault, and changes nothing."""
    for method in (api.client.get, api.client.post):
        forged = await method(link(secret="another secret here"))
        assert (forged.status_code, "does not work" in forged.text) == (404, True)
        assert (await method("/unsubscribe/x")).text == forged.text
    good = link()
    api.clock.advance(92 * DAY_MS)
    expired = await api.client.post(good, data=ONE_CLICK)
    assert (expired.status_code, "has expired" in expired.text) == (410, True)
    assert not api.tables.unsubscribes


async def test_without_redis(api: ApiFixture) -> None:
    """GET still works; POST asks the reader to try again, and does not claim success."""
    good = link()
    api.tables.outage.reason = "redis: unavailable"

    assert (await api.client.get(good)).status_code == 200
    answer = await api.client.post(good, data=ONE_CLICK)
    assert (answer.status_code, "try again shortly" in answer.text) == (503, True)
    assert answer.headers["retry-after"] == "5"


async def test_the_page_is_safe_and_in_the_readers_language(api: ApiFixture) -> None:
    """Not cached, its own style only, no referrer (the URL has the token), German for readers who prefer it."""
    answer = await api.client.get(link(), headers={"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"})

    assert '<html lang="de" dir="ltr">' in answer.text
    assert "Abbestellen" in answer.text
    assert "„Neues Höchstgebot“" in answer.text
    assert "“New high bidder”" in (await api.client.get(link())).text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in answer.headers["content-security-policy"]
    assert answer.headers["x-robots-tag"] == "noindex"


async def test_names_cannot_break_out() -> None:
    """The product's name and the type's title are escaped."""
    evil = "<script>alert(1)</script>{0}{x}"
    brand = default_brand(
        BrandFields(postal_address=evil), name=evil, site="https://s.test", sender_name=evil
    )
    for kind in UnsubscribePage:
        assert "<script" not in page(kind, "en", brand, evil)


async def test_the_page_has_the_look_of_the_brand_in_the_link(api: ApiFixture) -> None:
    """`?brand=` names one of the operator's brands, for the POST too; any other name gets the default's look."""
    shop = BrandTable(sources=("/shop",), name="Shop & Co", accent="#0f766e")
    api.app.state.deps = replace(api.deps, brands=Brands(api.deps.brands.default, {"shop": shop}))

    for method in (api.client.get, api.client.post):
        branded = await method(link() + "?brand=shop")
        assert "Shop &amp; Co" in branded.text
        assert "--link: #0f766e" in branded.text
        assert (await method(link() + "?brand=nothing")).text == (await method(link())).text


async def test_without_a_secret_no_link_works() -> None:
    """Without a configured secret every token is invalid, one signed with the dev secret included."""
    async with fake_api(mail=MailSettings()) as api:
        current = api.app.state.authenticators
        api.app.state.authenticators = replace(current, unsubscribe=None)
        assert (await api.client.post(link(), data=ONE_CLICK)).status_code == 404
