"""What people do with <tocsin-inbox>: read, mark, filter, page, choose preferences; by pointer and by keyboard."""

import re
import time
from typing import Any

import orjson
import pytest
from playwright.async_api import Browser, Route, expect

from service.ports import InboxItem
from tests.browser.app_page import Application, AppPage
from tests.support.api_fixture import ApiFixture, inbox_item, token
from tests.support.wait import eventually

_NOW_MS = time.time_ns() // 1_000_000
_HOSTILE = {
    "markup": '<img src=x onerror="window.broken=1"><script>window.broken=1</script>',
    "quotes": "\"'><svg/onload=window.broken=1> ${window.broken=1} {{broken}} `",
    "direction": "\u202egnp.exe\u2066 \u05d0\u05d1\u05d2 100 \u202b",
    "long": "wide" * 2_500,
    "combining": "Z" + "\u0300" * 500,
    "control": "a\u0000b\u0007c\u2028d\ufeff",
}


def item(id: str, line: str = "", name: str = "overbid", minutes: int = 1, **meta: Any) -> InboxItem:
    """Return an entry of alice's that is some minutes old."""
    entry = inbox_item(name, id=id, at_ms=_NOW_MS - minutes * 60_000, **meta)
    return entry._replace(line=line or f"Line {id}")


async def opened(
    base: str, browser: Browser, mode: str = "bell", attributes: str = "", **options: Any
) -> AppPage:
    """Return a page whose panel is open."""
    application = Application(base)
    app = await application.open(await application.context(browser, **options), mode, attributes)
    if mode == "bell":
        await app.bell.click()
    await expect(app.tab("unread")).to_be_visible()
    return app


async def test_keyboard(api: ApiFixture, base: str, browser: Browser) -> None:
    """Enter opens and moves the focus into the panel, arrows change tabs, Escape closes and returns the focus."""
    await api.add(item("a"), item("b", minutes=2))
    application = Application(base)
    app = await application.open(await application.context(browser))
    await expect(app.badge).to_have_text("2")
    await app.page.keyboard.press("Tab")
    await app.page.keyboard.press("Enter")
    await expect(app.inbox.locator("#title")).to_be_focused()
    assert await app.bell.get_attribute("aria-expanded") == "true"

    await app.tab("unread").focus()
    for key, tab in [
        ("ArrowRight", "all"),
        ("End", "preferences"),
        ("ArrowRight", "unread"),
        ("ArrowLeft", "preferences"),
        ("Home", "unread"),
    ]:
        await app.page.keyboard.press(key)
        await expect(app.tab(tab)).to_be_focused()
        assert await app.tab(tab).get_attribute("aria-selected") == "true"

    await app.inbox.locator(".mark").first.focus()
    await app.page.keyboard.press("Enter")
    await expect(app.entries).to_have_count(1)
    await expect(app.inbox.locator(".mark")).to_be_focused()
    await app.page.keyboard.press("Space")
    await expect(app.inbox.locator(".empty")).to_be_visible()
    await expect(app.inbox.locator("#title")).to_be_focused()

    await app.page.keyboard.press("Escape")
    await expect(app.inbox.locator("#panel")).to_be_hidden()
    await expect(app.bell).to_be_focused()
    assert await app.fired("tocsin-open") == [{"open": True}, {"open": False}]
    assert [detail["count"] for detail in await app.fired("tocsin-count")] == [2, 1, 0]


async def test_a_click_marks_and_follows(api: ApiFixture, base: str, browser: Browser) -> None:
    """An entry with a link leads there, and is read; an application that cancels the event does it its own way."""
    await api.add(item("a", lot_id="1"), item("b", minutes=2, lot_id="2"))
    app = await opened(base, browser)
    await app.page.evaluate(
        "addEventListener('tocsin-entry-click', event => event.preventDefault(), { once: true })"
    )
    await app.lines.first.click()
    await expect(app.inbox.locator("#panel")).to_be_hidden()
    await expect(app.badge).to_have_text("1")
    (clicked,) = await app.fired("tocsin-entry-click")
    assert (clicked["entry"]["id"], clicked["entry"]["link"].rpartition("/")[2]) == ("a", "1")

    await app.page.route("**/lots/2", lambda route: route.fulfill(body="lot 2"))
    await app.bell.click()
    await app.lines.first.click()
    await app.page.wait_for_url("**/lots/2")

    async def is_read() -> bool:
        return not await api.deps.inbox.counts("alice")

    await eventually(is_read)


async def test_a_refused_mark_is_shown_as_unread_again(api: ApiFixture, base: str, browser: Browser) -> None:
    """And the panel says that it was not saved."""
    await api.add(item("a"))
    app = await opened(base, browser)
    refused = {"status": 503, "body": "{}", "headers": {"Access-Control-Allow-Origin": "*"}}

    async def refuse(route: Route) -> None:
        await (route.fulfill(**refused) if route.request.method == "POST" else route.fallback())

    await app.page.route("**/notifications", refuse)
    await app.entries.first.hover()
    await app.inbox.locator(".mark").click()
    await expect(app.inbox.locator(".notice.foot")).to_contain_text("could not be saved")
    await expect(app.entries).to_have_count(1)
    await expect(app.badge).to_have_text("1")

    await app.page.unroute("**/notifications")
    await app.inbox.locator(".mark").click()
    await expect(app.badge).to_have_count(0)
    await expect(app.inbox.locator(".notice")).to_have_count(0)


async def test_filter_and_mark_all(api: ApiFixture, base: str, browser: Browser) -> None:
    """A type is chosen by its title; marking all marks those that are shown."""
    await api.add(item("a"), item("b", name="winner"), item("c", name="winner"))
    app = await opened(base, browser)
    await app.inbox.locator("select").select_option(label="Lot won")
    await expect(app.entries).to_have_count(2)
    await app.inbox.locator("[part=mark-all]").click()
    await expect(app.badge).to_have_text("1")
    await expect(app.inbox.locator(".empty")).to_be_visible()
    await app.inbox.locator("select").select_option("")
    await expect(app.lines).to_have_text(["Line a"])


async def test_read_and_older_entries(api: ApiFixture, base: str, browser: Browser) -> None:
    """The tab of all entries has the read ones, page by page while it is scrolled, each once and newest first."""
    entries = [item(f"{number:03}", minutes=number) for number in range(1, 181)]
    await api.add(*entries)
    await api.deps.inbox.mark_read("alice", [entry.id for entry in entries[::2]], _NOW_MS)
    app = await opened(base, browser)
    await expect(app.tab("unread")).to_contain_text("90")
    await app.tab("all").click()
    end = app.inbox.locator("[aria-posinset='180']")

    async def is_at_the_end() -> bool:
        await scroll(app, 1)
        return bool(await end.count())

    await eventually(is_at_the_end)
    await expect(end).to_contain_text("Line 180")
    seen: dict[int, str] = {}
    for step in range(41):
        await scroll(app, step / 40)
        seen |= await rows_in_view(app)
    assert seen == {number: f"Line {number:03}" for number in range(1, 181)}


async def scroll(app: AppPage, share: float) -> None:
    """Scroll to a share of the list's height."""
    script = """(inbox, share) => {
        const isPage = inbox.getAttribute("mode") === "page";
        const view = isPage ? document.scrollingElement : inbox.shadowRoot.querySelector(".scroll");
        view.scrollTop = (view.scrollHeight - view.clientHeight) * share;
    }"""
    await app.inbox.evaluate(script, share)


async def rows_in_view(app: AppPage) -> dict[int, str]:
    """Return the lines that are seen by their places, once they fill the view."""
    script = """inbox => {
        const view = inbox.shadowRoot.querySelector(".scroll").getBoundingClientRect();
        const [top, bottom] = [Math.max(view.top, 0), Math.min(view.bottom, innerHeight)];
        const rows = [...inbox.shadowRoot.querySelectorAll(".entry")];
        const boxes = rows.map(row => row.getBoundingClientRect());
        const covers = y => boxes.some(box => box.top <= y && box.bottom >= y);
        if (!covers(top + 150) || !covers(bottom - 100)) return null;
        return rows.filter((_, at) => boxes[at].bottom > top && boxes[at].top < bottom)
            .map(row => [Number(row.ariaPosInSet), row.querySelector(".line").textContent.trim()]);
    }"""
    rows: list[Any] = []

    async def is_filled() -> bool:
        rows[:] = await app.inbox.evaluate(script) or []
        return bool(rows)

    await eventually(is_filled)
    return dict(rows)


@pytest.mark.parametrize("mode", ["bell", "page"])
async def test_ten_thousand_entries(base: str, browser: Browser, mode: str) -> None:
    """Only what is near the view is in the document; what is scrolled to is there."""
    application = Application(base)
    context = await application.context(browser)
    await context.route(
        "**/v1/inbox/stream",
        lambda route: route.fulfill(
            body=snapshot(10_000),
            content_type="text/event-stream",
            headers={"Access-Control-Allow-Origin": "*"},
        ),
    )
    app = await application.open(context, mode)
    if mode == "bell":
        await expect(app.badge).to_have_text("99+")
        await app.bell.click()
    await expect(app.inbox.locator(".number")).to_have_text("10,000")
    await expect(app.entries.first).to_contain_text("Entry 9999")
    for share in (0, 0.5, 0.25, 1):
        await scroll(app, share)
        rows = await rows_in_view(app)
        assert all(line.startswith(f"Entry {10_000 - place}") for place, line in rows.items())
        assert abs(min(rows) / 10_000 - share) < 0.05
        assert await app.entries.count() < 400

    async def is_at_the_end() -> bool:
        await scroll(app, 1)
        return 10_000 in await rows_in_view(app)

    await eventually(is_at_the_end)


async def test_an_arrival_moves_nothing(api: ApiFixture, base: str, browser: Browser) -> None:
    """One who has scrolled down continues to see the same entries when new ones arrive above."""
    await api.add(*(item(f"{number:03}", minutes=number) for number in range(1, 201)))
    app = await opened(base, browser)
    await expect(app.tab("unread")).to_contain_text("200")
    await scroll(app, 0.5)
    before = await rows_in_view(app)
    await api.add(*(item(f"new {number}", minutes=0) for number in range(5)))
    await expect(app.tab("unread")).to_contain_text("205")

    async def is_unmoved() -> bool:
        return [*(await rows_in_view(app)).values()] == [*before.values()]

    await eventually(is_unmoved)


def snapshot(count: int) -> bytes:
    """Return a stream that begins with so many entries, and asks for no reconnection."""
    entries = [
        {
            "type": "notifications", "id": f"{number:08x}",
            "attributes": {"type": 6, "type_str": "overbid", "meta": {}, "created_at": "2026-11-27T12:00:00Z"},
            "meta": {"line": f"Entry {number}" + " is longer than others" * (number % 5), "link": None},
        }
        for number in range(count)
    ]  # fmt: skip
    return b"retry: 600000\n\nevent: snapshot\nid: 1\ndata: %b\n\n" % orjson.dumps({"data": entries})


async def test_preferences(api: ApiFixture, base: str, browser: Browser) -> None:
    """A switch changes the row at once; one that the server refuses returns to what it was; a search finds types."""
    app = await opened(base, browser)
    await app.tab("preferences").click()
    row = app.inbox.get_by_role("group", name="New high bidder")
    email = row.get_by_role("switch", name="Email")
    await expect(email).to_have_attribute("aria-checked", "true")
    await email.click()
    await expect(email).to_have_attribute("aria-checked", "false")

    await email.click()
    await row.get_by_role("combobox", name="Email").select_option("once a day")
    await expect(row.get_by_role("combobox")).to_have_value("daily")
    await email.click()

    await app.page.route("**/v1/inbox/preferences*", lambda route: route.abort())
    await email.click()
    await expect(app.inbox.locator(".notice.foot")).to_be_visible()
    await expect(email).to_have_attribute("aria-checked", "false")
    await app.page.unroute("**/v1/inbox/preferences*")

    await app.inbox.get_by_role("searchbox").fill("HIGH BIDDER")
    await expect(app.inbox.locator(".preference")).to_have_count(1)
    document = (await api.client.get("/v1/inbox/preferences", headers=api.bearer())).json()
    (overbid,) = (one for one in document["types"] if one["type"] == "overbid")
    assert [(one["on"], one["frequency"]) for one in overbid["channels"]] == [(False, "daily"), (True, None)]


async def test_hostile_text_stays_text(api: ApiFixture, base: str, browser: Browser) -> None:
    """Markup is shown, not run; directions and long words disturb nothing beside them."""
    await api.add(
        *(item(f"{number}", line, minutes=number, x=line) for number, line in enumerate(_HOSTILE.values()))
    )
    app = await opened(base, browser, viewport={"width": 360, "height": 800})
    await expect(app.entries).to_have_count(len(_HOSTILE))
    texts = await app.lines.all_text_contents()
    assert [text.strip("\ufeff") for text in texts[:2]] == [_HOSTILE["markup"], _HOSTILE["quotes"]]
    assert texts[3] == _HOSTILE["long"]
    assert await app.page.evaluate("window.broken") is None
    assert await app.inbox.locator("img, script").count() == 0
    assert await app.inbox.locator(".scroll").evaluate("view => view.scrollWidth <= view.clientWidth")
    for row in await app.entries.all():
        box, time_box = await row.bounding_box(), await row.locator("time").bounding_box()
        assert box is not None
        assert time_box is not None
        assert box["height"] < 160, "a long line is cut"
        assert box["x"] <= time_box["x"] < box["x"] + 200, "a direction does not reach the time"
    assert not app.errors


@pytest.mark.parametrize(
    "link", ["javascript:window.broken=1", "data:text/html,x", "/relative", "ftp://x.test/"]
)
async def test_only_links_of_the_web(base: str, browser: Browser, link: str) -> None:
    """Any other link is none; the entry can still be opened, which marks it."""
    entry = {
        "type": "notifications", "id": "a",
        "attributes": {"type": 6, "type_str": "overbid", "meta": {}, "created_at": "2026-11-27T12:00:00Z"},
        "meta": {"line": "Click", "link": link},
    }  # fmt: skip
    text = b"retry: 600000\n\nevent: snapshot\nid: 1\ndata: %b\n\n" % orjson.dumps({"data": [entry]})
    application = Application(base)
    context = await application.context(browser)
    await context.route(
        "**/v1/inbox/stream",
        lambda route: route.fulfill(
            body=text, content_type="text/event-stream", headers={"Access-Control-Allow-Origin": "*"}
        ),
    )
    app = await application.open(context)
    await app.bell.click()
    await expect(app.inbox.locator("button.line")).to_have_text("Click")
    assert await app.inbox.locator("a").count() == 0


async def test_the_token_of_another_recipient(api: ApiFixture, base: str, browser: Browser) -> None:
    """The attribute `token` of another recipient shows that inbox, and nothing of the one before."""
    await api.add(item("a"), item("b")._replace(recipient="bob"), item("c")._replace(recipient="bob"))
    app = await opened(base, browser)
    await expect(app.lines).to_have_text(["Line a"])
    script = "(inbox, token) => { inbox.getToken = null; inbox.setAttribute('token', token) }"
    await app.inbox.evaluate(script, token("bob"))
    await expect(app.entries).to_have_count(2)
    assert sorted(await app.lines.all_text_contents()) == ["Line b", "Line c"]
    assert [detail["count"] for detail in await app.fired("tocsin-count")] == [1, 2]


async def test_languages(api: ApiFixture, base: str, browser: Browser) -> None:
    """German texts and times; in Arabic the panel is right to left; a property replaces a text."""
    await api.add(item("a", minutes=5))
    app = await opened(base, browser, "page", 'locale="de"')
    await expect(app.inbox.locator("h2")).to_have_text("Benachrichtigungen")
    await expect(app.inbox.locator("time")).to_have_text(re.compile(r"vor \d+ Minuten"))
    await app.page.evaluate(
        "Object.assign(document.querySelector('tocsin-inbox'), { locale: 'ar', strings: { title: 'X' } })"
    )
    await expect(app.inbox.locator("h2")).to_have_text("X")
    await expect(app.inbox.locator(".panel")).to_have_attribute("dir", "rtl")
