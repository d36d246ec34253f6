"""The page behind the unsubscribe link."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.api.routes.unsubscribe_page import UnsubscribePage, page
from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.catalogue import Catalogue, DigestRule
from service.model.record import Message
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
        assert "<script" not in page(kind, "en", brand, [evil])


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


TYPES = ("overbid", "auction_finished", "winner")


@pytest.fixture
async def digests() -> AsyncIterator[ApiFixture]:
    """An API whose catalogue has the group `bids` of three types, and one of security types only."""
    async with fake_api() as api:
        types = {type_.name: type_ for type_ in api.deps.catalogue}
        for name in TYPES:
            types[name] = types[name].model_copy(update={"digest": DigestRule(group="bids")})
        for name in ("reset_password", "carfax_purchase"):
            types[name] = types[name].model_copy(
                update={"digest": DigestRule(group="access"), "security": True}
            )
        api.app.state.deps = replace(api.deps, catalogue=Catalogue(types))
        yield api


def digest_link(group: str = "bids") -> str:
    return "/unsubscribe/" + UnsubscribeTokens([DEV_SECRET], 90).digest_token(delivery(type="digest"), group)


async def stopped(api: ApiFixture) -> dict[str, str]:
    """Return who has stopped each type for Alice."""
    rows = [await api.tables.unsubscribed(unsubscribe_key("", "alice", name)) for name in TYPES]
    return {row.type: row.by for row in rows if row}


async def test_a_digest_stops_all_types_of_its_group(digests: ApiFixture) -> None:
    """The page names them; one click writes a row for each; the other button resumes them all."""
    asked = await digests.client.get(digest_link())
    assert not await stopped(digests)
    done = await digests.client.post(digest_link(), data=ONE_CLICK)

    assert await stopped(digests) == dict.fromkeys(TYPES, "the link in a digest")
    for answer in (asked, done, await digests.client.get(digest_link())):
        assert answer.status_code == 200
        for title in ("New high bidder", "Auction finished", "Lot won"):
            assert f"<li>{title}</li>" in answer.text
    assert "Stop these emails?" in asked.text
    assert "You are unsubscribed" in done.text

    back = await digests.client.post(digest_link(), data={"List-Unsubscribe": "Resubscribe"})
    assert "You are subscribed again" in back.text
    assert not await stopped(digests)
    assert "Stop these emails?" in (await digests.client.get(digest_link())).text


async def test_what_was_stopped_before_stays_stopped(digests: ApiFixture) -> None:
    """To undo the click in a digest does not undo an older one in a mail of a type; of those alone, it undoes them."""
    await digests.client.post(link("winner"), data=ONE_CLICK)
    assert "Stop these emails?" in (await digests.client.get(digest_link())).text
    await digests.client.post(digest_link(), data=ONE_CLICK)
    back = await digests.client.post(digest_link(), data={"List-Unsubscribe": "Resubscribe"})

    assert await stopped(digests) == {"winner": "the link in a mail"}
    assert "<li>Lot won</li>" not in back.text
    for name in TYPES:
        await digests.client.post(link(name), data=ONE_CLICK)
    await digests.client.post(digest_link(), data={"List-Unsubscribe": "Resubscribe"})
    assert not await stopped(digests)


async def test_a_digest_of_types_that_cannot_be_stopped(digests: ApiFixture) -> None:
    """Nothing is written where no type of the group can be stopped; a mandatory one of several stays on."""
    refused = await digests.client.post(digest_link("access"), data=ONE_CLICK)
    assert (refused.status_code, "cannot be turned off" in refused.text) == (403, True)
    assert not digests.tables.unsubscribes
    types = {type_.name: type_ for type_ in digests.app.state.deps.catalogue}
    types["winner"] = types["winner"].model_copy(update={"mandatory": True})
    digests.app.state.deps = replace(digests.deps, catalogue=Catalogue(types))
    await digests.client.post(digest_link(), data=ONE_CLICK)
    assert set(await stopped(digests)) == {"overbid", "auction_finished"}


async def test_a_digest_of_a_group_that_is_gone(digests: ApiFixture) -> None:
    """Its types are not known any more: a newer mail has a link that works."""
    answer = await digests.client.post(digest_link("gone"), data=ONE_CLICK)
    assert (answer.status_code, "has expired" in answer.text) == (410, True)


async def test_a_part_of_the_types_is_stopped(digests: ApiFixture) -> None:
    """Redis fails between two rows: the page does not say that nothing was changed, and a repeat does the rest."""
    good, publish = digest_link(), digests.publisher.publish

    async def fails_after_one(messages: Sequence[Message]) -> None:
        await publish(messages)
        digests.tables.outage.reason = "redis: unavailable" if len(digests.publisher.messages) > 1 else None

    digests.publisher.publish = fails_after_one  # type: ignore[method-assign]
    answer = await digests.client.post(good, data=ONE_CLICK)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Only a part of the change" in answer.text
    digests.tables.outage.reason = None
    digests.publisher.publish = publish  # type: ignore[method-assign]
    assert len(await stopped(digests)) == 1
    await digests.client.post(good, data=ONE_CLICK)
    assert len(await stopped(digests)) == 3
