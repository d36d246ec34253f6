"""The console in a browser, on a whole stack: what operators find out, fix and send, and what a viewer cannot.

The screenshots are in build/console: look at them after a change of a page.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from service.bootstrap.parts import Parts
from service.dev.ports import free_port
from service.dev.sample_run import follow, publish_samples
from service.dev.stack import DevStack
from service.dev.tocsin_process import TocsinProcess
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.outcome import Outcome
from service.model.reasons import Reason
from service.model.record import Message
from service.ports import LookupKeys
from service.settings import templates_directory
from streams.kafka.connection import kafka_connection
from streams.producer.producer import Producer
from tests.browser.test_pages import page_faults
from tests.support.browser import CHROMIUM, WatchedPage, open_page
from tests.support.dev_stack import stack_in
from tests.support.inbox_package import installed
from tests.support.paths import ROOT
from tests.support.wait import eventually

_SHOTS = ROOT / "build" / "console"
_VIEWS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"),
)  # fmt: skip
_FAULT = '{% if data.lot_id == "666" %}{{ 1 // 0 }}{% endif %}'
"""In a template it makes one event's mail impossible, and no other's."""
_MARKUP = "<img src=x onerror=alert(1)>\u202egnp.exe"
_HOSTILE = f"{_MARKUP}\x1b[31m"
"""The second also has a character that no id of an event may have."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass
class ConsoleStack:
    """A stack whose stage of mail is a process of its own, with templates that tests break and fix."""

    stack: DevStack
    parts: Parts
    producer: Producer
    templates: Path
    folder: Path
    mail: TocsinProcess | None = None

    @property
    def url(self) -> str:
        return f"{self.stack.http_url}/console"

    async def publish(self, event_id: str, **fields: Any) -> str:
        """Publish an event, and return its key."""
        event = {"id": event_id, "source": "/console", "type": "overbid", "recipients": ["alice"], **fields}
        event.setdefault("data", {"lot_id": event_id})
        await self.producer.publish([Message("events", b"", json.dumps(event).encode())])
        return event_key("/console", event_id)

    async def hold(self, event_id: str, hours: int) -> None:
        """Hold mail for alice until it is so many hours later."""
        key, now_ms = event_key("/console", event_id), self.parts.clock.now_ms()
        one = Delivery(
            id=delivery_id(key, "alice", "email"), event=key, event_id=event_id, source="/console",
            type="overbid", channel=Channel.email, recipient="alice", rule=AudienceRule.users,
            created_ms=now_ms, received_ms=now_ms, deadline_ms=now_ms + 86_400_000,
        )  # fmt: skip
        held = (State.held, Reason.quiet_hours)
        await self.parts.due.add([one], [now_ms + hours * 3_600_000], [held[0]], [held[1]])
        await self.parts.ledger.open([], [NewEntry(key, one.id, "alice", "email", *held, now_ms)])

    async def start_mail(self) -> None:
        """Start the stage of mail, with the templates as they are now; after one that ran has stopped."""
        if self.mail is not None:
            await asyncio.to_thread(self.mail.stop)
        port = free_port()
        environment: Mapping[str, str] = {
            **self.stack._environment(port),
            "TOCSIN_WORKER__STAGES": '["email", "schedule"]',
            "TOCSIN_TEMPLATES__DIRECTORY": str(self.templates),
            "TOCSIN_LIMITS__OPERATE": "",
        }
        self.mail = TocsinProcess("worker", port, self.folder / f"mail-{port}", environment)
        await asyncio.to_thread(self.mail.start)

    def change_template(self, *, broken: bool) -> None:
        template = self.templates / "overbid" / "en.j2"
        text = (templates_directory() / "overbid" / "en.j2").read_text()
        template.write_text(text.replace("{% block text %}", f"{{% block text %}}{_FAULT if broken else ''}"))

    async def state(self, key: str, recipient: str, channel: str = "email") -> State | None:
        entry = await self.parts.ledger.entry(key, delivery_id(key, recipient, channel))
        return entry.state if entry else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleStack]:
    """Yield the stack with its samples delivered."""
    folder = tmp_path_factory.mktemp("console")
    stack = stack_in(folder / "stack")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TOCSIN_WORKER__STAGES", '["resolve", "inbox", "tables"]')
        parts = await stack.start()
    producer = Producer(kafka_connection(stack.settings.kafka))
    running = ConsoleStack(stack, parts, producer, folder / "templates", folder)
    shutil.copytree(templates_directory(), running.templates)
    try:
        await producer.start()
        await running.start_mail()
        results = await follow(parts, await publish_samples(parts), 120)
        assert all(result.finished for result in results)
        yield running
    finally:
        if running.mail is not None:
            await asyncio.to_thread(running.mail.stop)
        await producer.stop()
        await stack.stop()


async def sign_in(opened: WatchedPage, url: str, role: str = "operator") -> Page:
    page = opened.page
    await page.goto(url)
    await page.get_by_role("button", name=f"Sign in as {role}").click()
    await expect(page.locator("main h1")).to_be_visible()
    return page


def nothing_wrong(opened: WatchedPage) -> None:
    """No script failed, nothing was loaded from elsewhere, no policy was violated."""
    assert (opened.errors, opened.foreign) == ([], [])


async def test_from_a_broken_template_to_the_mail(console: ConsoleStack) -> None:
    """The dead letter says why; after the template is fixed, it is redriven from the page, and the mail arrives."""
    assert console.stack.catcher is not None
    console.change_template(broken=True)
    await console.start_mail()
    key = await console.publish("broken", data={"lot_id": "666"})
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, f"{console.url}/dead-letters?reason=render_failed")

        async def are_listed() -> bool:
            await page.reload()
            return (
                await page.get_by_role("link", name="dispatch.email").count() == 2
            )  # alice's and an admin's

        await eventually(are_listed, 60)
        await page.get_by_role("link", name="dispatch.email").first.click()
        await expect(page.locator("pre")).to_contain_text('"lot_id": "666"')
        await expect(page.get_by_text("a template could not be rendered").first).to_be_visible()

        console.change_template(broken=False)
        await console.start_mail()
        await page.go_back()
        await page.get_by_role("checkbox", name="All on this page").check()
        await page.get_by_role("button", name="Redrive chosen…").click()
        await page.get_by_role("button", name="Redrive 2 dead letters").click()
        await expect(page.get_by_text("ended", exact=True)).to_be_visible()

        async def arrived() -> bool:
            return await console.state(key, "alice") is State.sent

        await eventually(arrived, 60)
        assert any("lot 666" in mail.subject for mail in console.stack.catcher.mails.newest_first())
        await page.goto(f"{console.url}/search?q=broken&recipient=alice")
        await expect(page.locator(".delivery .state.sent").first).to_be_visible()
        await page.goto(f"{console.url}/audit")
        await expect(page.get_by_role("row", name="console:dev-operator").first).to_contain_text("redrive")
        nothing_wrong(opened)


async def test_a_relay_goes_down_and_comes_back(console: ConsoleStack) -> None:
    """The overview says so by itself, with what to do; then that nothing is wrong."""
    catcher = console.stack.catcher
    assert catcher is not None
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, console.url)
        await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
        await catcher.stop()
        try:
            await console.publish("while-the-relay-is-down")
            await expect(page.locator("#problems")).to_contain_text("relay relay1 does not answer")
            await expect(page.locator("#problems")).to_contain_text("What to do: start the relay")
            await page.screenshot(path=_shot("relay-down"), full_page=True)
        finally:
            await catcher.start()
        await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
        nothing_wrong(opened)


async def test_one_person_one_mail(console: ConsoleStack) -> None:
    """With only a browser: find out why a person did not get a mail, fix it, and send it."""
    address = (await console.parts.tables.lookup(LookupKeys(recipients={"bob"}))).recipients["bob"].address
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, f"{console.url}/suppressions")
        add = page.locator("form", has=page.get_by_role("heading", name="Suppress an address"))
        await add.get_by_label("Address").fill(address)
        await add.get_by_role("button").click()
        await expect(page.get_by_text("The address is suppressed.")).to_be_visible()
        key = await console.publish("one-mail", recipients=["bob"])
        await eventually(lambda: _is(console, key, "bob", State.suppressed), 60)

        await page.get_by_role("searchbox").fill("one-mail")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("the address is suppressed").first).to_be_visible()
        await page.get_by_role("link", name="Suppressions").last.click()
        remove = page.locator("form", has=page.get_by_role("heading", name="Allow mail again"))
        await remove.get_by_label("Address").fill(address)
        await remove.get_by_role("button").click()
        await expect(page.get_by_text("The address gets mail again.")).to_be_visible()

        await page.goto(f"{console.url}/search?q=one-mail")
        mail = page.locator(".delivery", has=page.locator(".state.suppressed"))
        await mail.get_by_role("link", name="Send again…").click()
        await page.get_by_role("button", name="Count them").click()
        await page.get_by_role("button", name="3. Send 1 delivery again").click()
        await expect(page.get_by_text("ended", exact=True)).to_be_visible()
        await eventually(lambda: _is(console, key, "bob", State.sent), 60)
        nothing_wrong(opened)


async def test_a_viewer_sees_no_button_that_writes(console: ConsoleStack) -> None:
    """No form of theirs changes anything but what they see; addresses are masked."""
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, console.url, "viewer")
        harmless = {"/console/sign-out", "/console/what-if"}
        for path in (
            "",
            "/search?q=alice",
            "/deliveries",
            "/tail",
            "/dead-letters",
            "/suppressions",
            "/audit",
        ):
            await page.goto(console.url + path)
            actions = await page.evaluate(
                "[...document.querySelectorAll('form[method=post]')].map(one => new URL(one.action).pathname)"
            )
            assert set(actions) <= harmless | {"/console/dead-letters/survey"}, path
            assert await page.locator("form[action$=survey] button").count() == 0
            assert await page.get_by_text("Send again").count() == 0
            assert "@example" not in await page.inner_text("body")
        for path in ("/replays", "/privacy"):
            response = await page.goto(console.url + path)
            assert response is not None
            assert response.status == 403
        opened.errors.clear()  # the browser complains of the two responses


async def test_addresses_are_shown_on_request(console: ConsoleStack) -> None:
    """And each page that shows them is in the audit log."""
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, f"{console.url}/search?q=alice")
        await expect(page.get_by_text("a•••@e•••.com").first).to_be_visible()
        await page.locator("details.person summary").click()
        await page.get_by_role("button", name="Show addresses").click()
        await page.goto(f"{console.url}/search?q=alice")
        await expect(page.get_by_text("alice@example.com").first).to_be_visible()
        await page.goto(f"{console.url}/audit?kind=reveal")
        await expect(page.get_by_role("row", name="/console/search").first).to_be_visible()
        await page.locator("details.person summary").click()
        await page.get_by_role("button", name="Mask addresses").click()
        await page.goto(f"{console.url}/search?q=alice")
        await expect(page.get_by_text("a•••@e•••.com").first).to_be_visible()
        nothing_wrong(opened)


async def test_hostile_text_is_text(console: ConsoleStack) -> None:
    """Ids, recipients, replies and whole records of others: nothing runs, and what cannot be seen becomes visible."""
    long = "x" * 3000
    key = await console.publish(_MARKUP, recipients=["alice", _MARKUP, "שלום-r", long[:128]])
    await console.publish("hostile-2", type=f"{_HOSTILE}{long}")
    reply = Outcome(
        *(delivery_id(key, _MARKUP, "email"), key, "overbid", _MARKUP, "email", State.bounced),
        console.parts.clock.now_ms(),
        relay=_MARKUP,
        reply=f"550 {_HOSTILE}",
    )
    await eventually(lambda: _is(console, key, "alice", State.sent), 60)
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, f"{console.url}/tail")
        await expect(page.locator("#tail-status")).to_contain_text("live")
        await console.producer.publish([Message("dispatch.outcomes", key.encode(), reply.to_bytes())])
        await expect(page.locator("#tail tbody tr").first).to_contain_text("\\u202egnp.exe\\x1b[31m")
        for path, shown in (
            (f"/search?q={key}", "onerror=alert(1)>\\u202egnp.exe"),
            ("/dead-letters", "exe\\x1b[31mxxx"),
            ("/deliveries", "onerror=alert(1)>\\u202egnp.exe"),
        ):
            await page.goto(console.url + path)
            await expect(page.locator("main")).to_contain_text(shown)
            text = await page.inner_text("body")
            assert "\u202e" not in text
            assert "\x1b" not in text
            assert await page.locator("main img").count() == 0
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        nothing_wrong(opened)


async def test_a_thousand_outcomes_a_second(console: ConsoleStack) -> None:
    """The page shows the newest, keeps its size, and still answers; paused, it stands still."""
    async with open_page("http://127.0.0.1:") as opened:
        page = await sign_in(opened, f"{console.url}/tail")
        await expect(page.locator("#tail-status")).to_contain_text("live")
        sizes = []
        for second in range(8):
            messages = [_outcome(console, f"flood-{second}-{n}") for n in range(1000)]
            await console.producer.publish(messages)
            sizes.append(await page.locator("#tail tbody tr").count())
        await expect(page.locator("#tail-status")).to_contain_text("8,000 seen")
        await expect(page.locator("#tail tbody tr").first).to_contain_text("flood-7")
        assert await page.locator("#tail tbody tr").count() <= 500
        assert max(sizes) <= 500
        nodes = await page.evaluate("document.querySelectorAll('*').length")
        assert nodes < 500 * 15 + 500

        await page.get_by_role("button", name="Pause").click()
        before = await page.locator("#tail tbody").inner_text()
        await console.producer.publish([_outcome(console, "while-paused")])
        await expect(page.locator("#tail-status")).to_contain_text("8,001 seen")
        assert await page.locator("#tail tbody").inner_text() == before
        await page.get_by_role("button", name="Continue").click()
        await expect(page.locator("#tail tbody tr").first).to_contain_text("while-paused")
        nothing_wrong(opened)


async def test_every_page(console: ConsoleStack) -> None:
    """Text has contrast, nothing is cut or wider than the page, and controls have names; light, dark, wide, narrow."""
    await console.publish("unknown", type="overbidd")
    await console.hold("held", hours=5)
    axe = (await installed()).joinpath("node_modules/axe-core/axe.min.js").read_text()
    faults: dict[str, list[Any]] = {}
    for width, scheme in _VIEWS:
        async with open_page("http://127.0.0.1:", width, scheme) as opened:
            page = opened.page
            await page.goto(f"{console.url}/sign-in")
            await _look(opened, axe, "sign-in", faults, f"{width}-{scheme}")
            await sign_in(opened, console.url)
            letter = await _first_link(page, f"{console.url}/dead-letters?state=", "dispatch.|events ")
            paths = {
                "overview": "",
                "search": "/search?q=alice",
                "deliveries": "/deliveries",
                "waiting": "/waiting",
                "tail": "/tail",
                "dead-letters": "/dead-letters?state=",
                "dead-letter": letter,
                "replays": "/replays?type=overbid",
                "suppressions": "/suppressions",
                "what-if": "/what-if",
                "privacy": "/privacy?recipient=alice",
                "audit": "/audit",
                "missing": "/dead-letters/none",
            }
            for name, path in paths.items():
                await page.goto(path if path.startswith("http") else console.url + path)
                await _look(opened, axe, name, faults, f"{width}-{scheme}")
            await _fill_forms(opened, console, axe, faults, f"{width}-{scheme}")
    assert not faults, "\n".join(f"{view}: {fault}" for view, found in faults.items() for fault in found)


async def _fill_forms(
    opened: WatchedPage, console: ConsoleStack, axe: str, faults: dict[str, list[Any]], view: str
) -> None:
    """Look at the pages that only a form leads to."""
    page = opened.page
    await page.goto(f"{console.url}/what-if")
    await page.get_by_role("button", name="Who would be notified?").click()
    await expect(page.locator("#result table")).to_be_visible()
    await _look(opened, axe, "what-if-result", faults, view)
    await page.goto(f"{console.url}/replays?type=overbid")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Count them").click()
    await expect(page.get_by_role("heading", name="2.")).to_be_visible()
    await _look(opened, axe, "replay-count", faults, view)
    await page.goto(f"{console.url}/waiting?recipient=alice")
    await page.get_by_label("What").select_option("cancel it")
    await page.get_by_role("button", name="Count it").click()
    await expect(page.get_by_role("heading", name="Cancel: 1 delivery")).to_be_visible()
    await _look(opened, axe, "waiting-count", faults, view)
    await page.goto(f"{console.url}/privacy?recipient=alice")
    await page.get_by_role("button", name="Look").click()
    await expect(page.get_by_role("heading", name="Erase", exact=True)).to_be_visible()
    await _look(opened, axe, "privacy-count", faults, view)
    await page.goto(f"{console.url}/dead-letters")
    await page.get_by_role("button", name="Redrive all that match…").click()
    await expect(page.get_by_role("heading", name="Redrive")).to_be_visible()
    await _look(opened, axe, "redrive-count", faults, view)


async def _look(opened: WatchedPage, axe: str, name: str, faults: dict[str, list[Any]], view: str) -> None:
    if name == "overview":
        await expect(opened.page.locator("#rates canvas")).to_be_visible()
    await opened.page.screenshot(path=_shot(f"{name}-{view}"), full_page=True)
    errors = [text for text in opened.errors if "404" not in text]
    if found := [*await page_faults(opened.page, axe, vendored=False), *errors, *opened.foreign]:
        faults[f"{name} {view}"] = found
    opened.errors.clear()


async def _first_link(page: Page, address: str, words: str) -> str:
    """Return where the first link with one of these words leads."""
    first, second = words.split("|")

    async def is_there() -> bool:
        await page.goto(address)
        return (
            await page.locator(f"main td a:has-text('{first}'), main td a:has-text('{second}')").count() > 0
        )

    await eventually(is_there, 60)
    link = page.locator(f"main td a:has-text('{first}'), main td a:has-text('{second}')").first
    return str(await link.evaluate("one => one.href"))


def _shot(name: str) -> Path:
    _SHOTS.mkdir(parents=True, exist_ok=True)
    return _SHOTS / f"{name}.png"


def _outcome(console: ConsoleStack, recipient: str) -> Message:
    key = event_key("/flood", recipient)
    now_ms = console.parts.clock.now_ms()
    delivery = delivery_id(key, recipient, "email")
    outcome = Outcome(
        delivery, key, "overbid", recipient, "email", State.sent, now_ms, relay="relay1", reply="250 ok"
    )
    return Message("dispatch.outcomes", key.encode(), outcome.to_bytes())


async def _is(console: ConsoleStack, key: str, recipient: str, state: State) -> bool:
    return await console.state(key, recipient) is state
