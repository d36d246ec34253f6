"""The bell on real servers: it counts at once, and through every interruption nothing is missing or there twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from playwright.async_api import Browser, expect

from service.dev.ports import free_port
from service.settings import HttpSettings
from tests.browser.app_page import APP, Application, AppPage
from tests.e2e.api.served import EmbeddedServer
from tests.support.api_fixture import ApiFixture, inbox_item, real_api
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.wait import eventually


async def add(api: ApiFixture, *ids: str) -> None:
    """Add entries to alice's inbox, each later than those before."""
    now_ms = time.time_ns() // 1_000_000
    await api.add(
        *(
            inbox_item("overbid", id=name, at_ms=now_ms + number, lot_id=name)
            for number, name in enumerate(ids)
        )
    )


async def shows(app: AppPage, ids: Sequence[str]) -> None:
    """Wait until the unread list has exactly these entries, and the bell counts them."""
    await expect(app.badge).to_have_text(str(len(ids)))
    if await app.bell.get_attribute("aria-expanded") == "false":
        await app.bell.click()
    await expect(app.entries).to_have_count(len(ids))
    links = await app.lines.evaluate_all("lines => lines.map(line => line.href)")
    assert sorted(link.rpartition("/")[2] for link in links) == sorted(ids)


@asynccontextmanager
async def api_at(url: str, port: int) -> AsyncIterator[ApiFixture]:
    """Serve the API at a port until the end of the block; then all its streams end."""
    async with real_api(url, http=HttpSettings(cors_origins=APP)) as api:
        server = EmbeddedServer(api.app, HttpSettings(), port=port)
        running = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        try:
            yield api
        finally:
            server.should_exit = True
            await running


async def test_a_published_event_is_counted(browser: Browser) -> None:
    """From the event that is posted, through Kafka and the stages, to the number at the bell, without a reload."""
    async with served_pipeline() as (_, base), httpx.AsyncClient() as client:
        application = Application(base, origin=base, make_token=lambda _: bearer("alice", "inbox"))
        app = await application.open(await application.context(browser))
        await expect(app.bell).to_have_attribute("aria-label", "Notifications, none unread")
        event = {
            "id": "1", "source": "/auctions", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "7"},
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {bearer('publisher', 'events')}"}
        answer = await client.post(f"{base}/v1/events", json=event, headers=headers)
        assert answer.status_code == 202

        await expect(app.badge).to_have_text("1")
        await expect(app.inbox.locator("[role=status]").first).to_contain_text("New notification")
    assert not app.errors


async def test_two_tabs_hold_one_stream_and_agree(api: ApiFixture, base: str, browser: Browser) -> None:
    """What one tab marks as read is read in the other; when the leader is closed the other continues."""
    await add(api, "a", "b")
    application = Application(base)
    context = await application.context(browser)
    first, second = await application.open(context), await application.open(context)
    await shows(first, ["a", "b"])
    await shows(second, ["a", "b"])

    await second.entries.first.hover()
    await second.inbox.locator(".mark").first.click()
    await expect(first.badge).to_have_text("1")
    await expect(second.badge).to_have_text("1")
    assert len(first.streams) + len(second.streams) == 1

    await first.page.close()
    await add(api, "c")
    await shows(second, ["a", "c"])
    assert len(second.streams) == 1
    assert not second.errors


async def test_the_api_restarts(valkey_url: str, browser: Browser) -> None:
    """Entries that arrive while no API runs are there when it runs again."""
    port = free_port()
    application = Application(f"http://127.0.0.1:{port}")
    async with api_at(valkey_url, port) as api:
        await add(api, "a")
        app = await application.open(await application.context(browser))
        await shows(app, ["a"])
    async with real_api(valkey_url) as api:
        await add(api, "b")
    async with api_at(valkey_url, port) as api:
        await shows(app, ["a", "b"])
        await add(api, "c")
        await shows(app, ["a", "b", "c"])
        await app.page.close()
    assert not app.errors


async def test_the_token_expires(api: ApiFixture, base: str, browser: Browser) -> None:
    """The server ends the stream; the next has a new token, and resumes."""
    application = Application(base, ttl_s=3)
    app = await application.open(await application.context(browser))
    await expect(app.bell).to_be_visible()
    for number in range(1, 4):
        await add(api, f"{number}")
        await eventually(lambda: len(app.streams) > number and application.tokens > number)  # noqa: B023
    await shows(app, ["1", "2", "3"])
    assert not app.errors


async def test_the_network_is_off_and_on(api: ApiFixture, base: str, browser: Browser) -> None:
    """The panel says that there is no connection, and catches up by itself."""
    application = Application(base)
    context = await application.context(browser)
    app = await application.open(context)
    await add(api, "a")
    await shows(app, ["a"])

    await context.set_offline(True)
    await expect(app.inbox.locator(".notice.offline")).to_be_visible()
    await add(api, "b")
    await expect(app.badge).to_have_text("1")
    await context.set_offline(False)

    await shows(app, ["a", "b"])
    await expect(app.inbox.locator(".notice")).to_have_count(0)
    assert not app.errors


async def test_another_origin_is_refused(api: ApiFixture, base: str, browser: Browser) -> None:
    """A page of an origin that is not configured gets the script, and nothing of an inbox."""
    await add(api, "a")
    application = Application(base, origin="http://localhost:9754")
    app = await application.open(await application.context(browser))
    await app.bell.click()
    await expect(app.inbox.locator(".notice.offline")).to_be_visible()
    await expect(app.badge).to_have_count(0)
    await expect(app.entries).to_have_count(0)
