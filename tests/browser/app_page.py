"""A page of an application with the inbox in it, on an origin of its own."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Route

from tests.support.api_fixture import token

APP = "http://localhost:9753"
"""The application's origin, where the tests answer. Web Locks need a secure context, as localhost is."""

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Harbour Auctions</title>
<meta name="viewport" content="width=device-width">
<style nonce="app">
  :root { color-scheme: light dark; }
  body {
    margin: 0; font: 16px/1.5 system-ui, sans-serif;
    background: light-dark(#f3f4f7, #111318); color: light-dark(#171a21, #f1f3f6);
  }
  nav {
    display: flex; align-items: center; gap: 16px; padding: 10px 20px;
    background: light-dark(#fff, #1b1e25); border-bottom: 1px solid light-dark(#e2e5eb, #2f3540);
  }
  nav strong { flex: 1; }
  main { padding: 24px 20px; }
</style></head>
<body>BODY
<script type="module" src="BASE/assets/inbox/tocsin-inbox.js"></script>
<script type="module" nonce="app">
  await customElements.whenDefined("tocsin-inbox");
  const inbox = document.querySelector("tocsin-inbox");
  window.fired = [];
  window.violations = [];
  addEventListener("securitypolicyviolation", event => window.violations.push(event.violatedDirective));
  for (const name of ["tocsin-open", "tocsin-count", "tocsin-entry-click"])
    inbox.addEventListener(name, event => window.fired.push([name, JSON.parse(JSON.stringify(event.detail))]));
  inbox.getToken = async () => (await fetch("/token")).text();
  Object.assign(inbox, PROPERTIES, { baseUrl: "BASE" });
</script></body></html>"""
_POLICY = "default-src 'none'; script-src 'nonce-app' BASE; style-src 'nonce-app'; connect-src 'self' BASE"
"""Strict: no inline style, no images, nothing from elsewhere."""
_BODY = {
    "bell": "<nav><strong>Harbour Auctions</strong>INBOX</nav><main><h1>Lots</h1><p>Everything that floats.</p></main>",
    "page": "<nav><strong>Harbour Auctions</strong></nav><main>INBOX</main>",
}


@dataclass
class AppPage:
    """An open page of the application. `streams` are the live streams that it has opened, `errors` those of scripts."""

    page: Page
    streams: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> Locator:
        return self.page.locator("tocsin-inbox")

    @property
    def bell(self) -> Locator:
        return self.inbox.locator(".bell")

    @property
    def badge(self) -> Locator:
        return self.inbox.locator(".badge")

    @property
    def entries(self) -> Locator:
        return self.inbox.locator(".entry:not(.skeleton)")

    @property
    def lines(self) -> Locator:
        return self.inbox.locator(".line")

    def tab(self, name: str) -> Locator:
        """Return the tab of a view: unread, all or preferences."""
        return self.inbox.locator(f"#tab-{name}")

    async def fired(self, name: str) -> Sequence[Any]:
        """Return the details of the element's events of a name."""
        events = await self.page.evaluate("window.fired")
        return [detail for event, detail in events if event == name]


def _alices_token(ttl_s: float) -> str:
    now_s = time.time()
    return token("alice", iat=now_s, exp=now_s + ttl_s)


@dataclass
class Application:
    """The application's own server, as the tests answer for it: it has a page with the inbox, and issues tokens."""

    base: str
    ttl_s: float = 300
    origin: str = APP
    make_token: Callable[[float], str] = _alices_token
    tokens: int = 0

    async def context(self, browser: Browser, **options: Any) -> BrowserContext:
        """Return a browser's profile in which the application answers."""
        context = await browser.new_context(**options)
        await context.route(f"{self.origin}/token", self._token)
        return context

    async def open(
        self, context: BrowserContext, mode: str = "bell", attributes: str = "", **properties: Any
    ) -> AppPage:
        """Open a page with the inbox in it."""
        inbox = f'<tocsin-inbox mode="{mode}" {attributes}></tocsin-inbox>'
        html = _PAGE.replace("BODY", _BODY[mode].replace("INBOX", inbox)).replace("BASE", self.base)
        html = html.replace("PROPERTIES", json.dumps(properties))
        page = await context.new_page()
        app = AppPage(page)
        page.on("request", lambda request: app.streams.append(request) if _is_stream(request) else None)
        page.on("pageerror", lambda error: app.errors.append(str(error)))
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _POLICY.replace("BASE", self.base),
        }
        await page.route(f"{self.origin}/", lambda route: route.fulfill(body=html, headers=headers))
        await page.goto(f"{self.origin}/")
        return app

    async def _token(self, route: Route) -> None:
        self.tokens += 1
        await route.fulfill(body=self.make_token(self.ttl_s), content_type="text/plain")


def _is_stream(request: Request) -> bool:
    return request.method == "GET" and request.url.endswith("/v1/inbox/stream")
