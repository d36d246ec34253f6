"""How the inbox looks: each state in light and dark, wide and narrow, without faults of axe or of our own check.

The screenshots are in build/inbox: look at them after a change of the component.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Route, expect

from service.model.reasons import Reason
from service.pipeline.tables.preference_centre import PreferenceOwner
from tests.browser.app_page import Application, AppPage
from tests.support.api_fixture import ApiFixture, inbox_item
from tests.support.inbox_package import installed
from tests.support.paths import ROOT

_FOLDER = ROOT / "build" / "inbox"
_FAULTS = (Path(__file__).parent / "faults.js").read_text()
_AXE = "axe.run('tocsin-inbox', { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })"
_VIEWS = [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
_ENTRIES = (
    ("overbid", "New high bidder on lot 1482: the bid is now € 18,400.", 5),
    ("winner", "You won lot 977, “Dutch barge, 1923”. Congratulations!", 42),
    ("invoice_attached", "Invoice INV-2026-1181 is attached. It is due on 11 December.", 190),
    (
        "message_from_seller",
        "Marleen van Dijk wrote: “You can view the engine on Saturday between ten and two; please bring the survey, and"
        " call when you are at the gate, since the harbour office is closed at the weekend.”",
        1_500,
    ),
    ("deposit_received", "We received your deposit of € 2,500.", 3_000),
    ("watchlist_auction_finishing_in_3h", "A lot on your watchlist finishes in three hours.", 8_000),
)


@pytest.fixture
async def axe() -> str:
    """Return axe-core, of the package's locked tools."""
    return (await installed()).joinpath("node_modules/axe-core/axe.min.js").read_text()


async def fill(api: ApiFixture) -> None:
    """Add entries, two of them read, and what stops email."""
    now_ms = time.time_ns() // 1_000_000
    entries = [
        inbox_item(name, id=f"{number}", at_ms=now_ms - minutes * 60_000, lot_id="1")._replace(line=line)
        for number, (name, line, minutes) in enumerate(_ENTRIES)
    ]
    await api.add(*entries)
    await api.deps.inbox.mark_read("alice", ["4", "5"], now_ms)
    owner = PreferenceOwner("alice")
    await api.deps.writer.unsubscribe(owner.unsubscribe_key("overbid"), "overbid", "the link in a mail")


async def unread(app: AppPage) -> None:
    await app.bell.click()
    await expect(app.entries).to_have_count(4)
    await app.entries.nth(1).hover()


async def all_entries(app: AppPage) -> None:
    await app.bell.click()
    await app.tab("all").click()
    await expect(app.entries).to_have_count(6)


async def preferences(app: AppPage) -> None:
    await app.bell.click()
    await app.tab("preferences").click()
    await expect(app.inbox.locator(".why.blocked").first).to_be_attached()


async def empty(app: AppPage) -> None:
    await app.bell.click()
    await app.inbox.locator("[part=mark-all]").click()
    await expect(app.inbox.locator(".empty")).to_be_visible()


async def offline(app: AppPage) -> None:
    await app.bell.click()
    await app.page.context.set_offline(True)
    await expect(app.inbox.locator(".notice.offline")).to_be_visible()


async def loading(app: AppPage) -> None:
    await app.bell.click()
    await expect(app.inbox.locator(".skeleton").first).to_be_visible()


async def error(app: AppPage) -> None:
    await app.bell.click()
    await expect(app.inbox.locator(".notice.error")).to_be_visible()


async def closed(app: AppPage) -> None:
    await expect(app.badge).to_have_text("4")


async def page_of_preferences(app: AppPage) -> None:
    await app.tab("preferences").click()
    await expect(app.inbox.locator(".preference").first).to_be_visible()


async def page(app: AppPage) -> None:
    await expect(app.entries).to_have_count(4)


_STATES: dict[str, tuple[Callable[[AppPage], Awaitable[None]], str, str]] = {
    "closed": (closed, "bell", ""),
    "unread": (unread, "bell", ""),
    "all": (all_entries, "bell", ""),
    "preferences": (preferences, "bell", ""),
    "offline": (offline, "bell", ""),
    "loading": (loading, "bell", ""),
    "error": (error, "bell", ""),
    "german-page": (page, "page", 'locale="de"'),
    "german-preferences": (page_of_preferences, "page", 'locale="de"'),
    "arabic": (unread, "bell", 'locale="ar"'),
    "empty": (empty, "bell", ""),  # marks all as read, so it is the last
}


async def answer(context: BrowserContext, state: str) -> None:
    """Have the stream never answered, or refused, for the states that show that."""

    async def stream(route: Route) -> None:
        if state == "error":
            await route.fulfill(status=403, body="{}", headers={"Access-Control-Allow-Origin": "*"})

    if state in ("loading", "error"):
        await context.route("**/v1/inbox/stream", stream)


@pytest.mark.conformance(
    "WCAG",
    "2.2, level AA",
    "axe finds no fault in the inbox component, text has a contrast of 4.5, and targets have 24 pixels: in every state,"
    " light and dark, 360 and 1,280 pixels wide.",
)
@pytest.mark.parametrize(("width", "scheme"), _VIEWS, ids=str)
async def test_states(
    api: ApiFixture, base: str, browser: Browser, axe: str, width: int, scheme: Any
) -> None:
    """Every state: text and controls have contrast, targets are large enough, roles and names are complete."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    await fill(api)
    faults: dict[str, Any] = {}
    for state, (prepare, mode, attributes) in _STATES.items():
        context = await Application(base).context(
            browser, viewport={"width": width, "height": 820}, color_scheme=scheme, reduced_motion="reduce"
        )
        application = Application(base)
        await answer(context, state)
        app = await application.open(context, mode, attributes)
        await prepare(app)
        await app.page.screenshot(path=_FOLDER / f"{state}-{width}-{scheme}.png")
        if found := await app.page.evaluate(_FAULTS):
            faults[state] = found
        await app.page.evaluate(axe)
        report = await app.page.evaluate(_AXE)
        for violation in report["violations"]:
            nodes = [f"{node['target']}: {node['failureSummary']}" for node in violation["nodes"][:3]]
            faults.setdefault(state, []).append((violation["id"], nodes))
        assert not app.errors
        assert not await app.page.evaluate("window.violations"), "a strict policy of the page is respected"
        await context.close()
    assert not faults


async def test_a_suppression_is_explained(api: ApiFixture, base: str, browser: Browser) -> None:
    """The switch keeps what was chosen, and the row says why no email is sent."""
    await api.deps.writer.suppress("alice@example.com", Reason.complaint_received)
    application = Application(base)
    app = await application.open(await application.context(browser))
    await app.bell.click()
    await app.tab("preferences").click()
    row = app.inbox.get_by_role("group", name="New high bidder")
    await expect(row).to_contain_text("reported as spam")
    email = row.get_by_role("switch", name="Email")
    await expect(email).to_have_attribute("aria-checked", "true")
    await expect(email).to_have_accessible_description(
        "An email to this address was reported as spam, so no more are sent to it."
    )
