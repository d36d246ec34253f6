"""Scrolling an inbox of 10,000 unread entries in Chromium: python -m bench.inbox (make bench-inbox).

The element `<tocsin-inbox>` renders what is near the view. Its peers are the same rows, all of them in the document:
as they are, and with `content-visibility: auto`. Each opens, and then scrolls 400 pixels a frame, in turns. The figure
is the work of the page's main thread (scripts, style, layout), which does not depend on the machine's display.
"""

import argparse
import asyncio
import json
import shutil
import statistics
from typing import Any

from playwright.async_api import Browser, CDPSession, Route, async_playwright

from service.api.routes.inbox_script import FOLDER

_ORIGIN = "http://localhost:9753"
_ENTRIES = 10_000
_FRAMES = 300
_PEERS = {
    "all rows": "",
    "content-visibility": "content-visibility: auto; contain-intrinsic-size: auto 76px;",
}
_OURS = """<!doctype html><script type="module">
  import "/tocsin-inbox.js";
  const inbox = document.createElement("tocsin-inbox");
  Object.assign(inbox, { baseUrl: "ORIGIN", token: "opaque" });
  inbox.addEventListener("tocsin-count", () => (window.ready = true));
  document.body.append(inbox);
  window.openList = async () => { inbox.open(); await inbox.updateComplete; };
  window.list = () => inbox.shadowRoot.querySelector(".scroll");
</script><body></body>"""
_PLAIN = """<!doctype html><style>
  .scroll { block-size: 500px; inline-size: 420px; overflow-y: auto; font: 15px/1.4 sans-serif; }
  .entry { display: grid; grid-template-columns: 8px 1fr auto; column-gap: 12px; padding: 13px 20px; STYLE }
</style><body><div class="scroll"></div><script>
  window.openList = async () => {
    const rows = await (await fetch("/entries")).json();
    document.querySelector(".scroll").innerHTML = rows.map((row) => `<div class="entry"><span></span><div><a href="#">
      ${row.meta.line}</a><div><span>Overbid</span> <time>${row.attributes.created_at}</time></div></div>
      <button>x</button></div>`).join("");
  };
  window.list = () => document.querySelector(".scroll");
  window.ready = true;
</script></body>"""
_SCROLL = """async (frames) => {
  const list = window.list(), times = [];
  let last = performance.now();
  for (let frame = 0; frame < frames; frame++) {
    list.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return times.sort((a, b) => a - b)[Math.floor(frames * 0.95)];
}"""


def _entries() -> list[dict[str, Any]]:
    attributes = {"type": 6, "type_str": "overbid", "meta": {}, "created_at": "2026-11-27T12:00:00Z"}
    return [
        {
            "type": "notifications",
            "id": f"{number:08x}",
            "attributes": attributes,
            "meta": {"line": f"Entry {number}" + " is longer than others" * (number % 5), "link": None},
        }
        for number in range(_ENTRIES)
    ]


async def _answer(route: Route, page: str) -> None:
    path = route.request.url.removeprefix(_ORIGIN)
    if path == "/tocsin-inbox.js":
        await route.fulfill(body=(FOLDER / "tocsin-inbox.js").read_bytes(), content_type="text/javascript")
    elif path == "/v1/inbox/stream":
        data = json.dumps({"data": _entries()})
        text = f"retry: 600000\n\nevent: snapshot\nid: 1\ndata: {data}\n\n"
        await route.fulfill(body=text, content_type="text/event-stream")
    elif path == "/entries":
        await route.fulfill(body=json.dumps(_entries()), content_type="application/json")
    elif path == "/":
        await route.fulfill(body=page, content_type="text/html")
    else:
        await route.fulfill(status=404, body="{}", content_type="application/json")


async def _measure(browser: Browser, page_text: str) -> dict[str, float]:
    """Return the milliseconds of work to open the list and for each frame, and the 95th percentile between frames."""
    context = await browser.new_context(viewport={"width": 1280, "height": 820})
    await context.route("**/*", lambda route: _answer(route, page_text))
    page = await context.new_page()
    await page.goto(f"{_ORIGIN}/")
    await page.wait_for_function("window.ready")
    session = await context.new_cdp_session(page)
    await session.send(
        "Performance.enable", {"timeDomain": "threadTicks"}
    )  # CPU, so other processes do not count
    before = await _work_ms(session)
    await page.evaluate("async () => { await window.openList(); window.list().scrollTop = 1; }")
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    opened = await _work_ms(session)
    interval_ms: float = await page.evaluate(_SCROLL, _FRAMES)
    scrolled = await _work_ms(session)
    await context.close()
    return {"open": opened - before, "frame": (scrolled - opened) / _FRAMES, "interval p95": interval_ms}


async def _work_ms(session: CDPSession) -> float:
    """Return how long the page's main thread has worked since the session began, in milliseconds."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(1000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


async def _run(rounds: int) -> None:
    pages = {"ours": _OURS.replace("ORIGIN", _ORIGIN)}
    pages |= {name: _PLAIN.replace("STYLE", style) for name, style in _PEERS.items()}
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in pages}
    async with async_playwright() as playwright:
        path = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(rounds):
            for name, page in pages.items():
                measured[name].append(await _measure(browser, page))
        await browser.close()
    sides = {
        name: {case: round(statistics.median(figures[case] for figures in results), 2) for case in results[0]}
        for name, results in measured.items()
    }
    ours = sides.pop("ours")
    print(
        json.dumps(
            {"bench": "inbox", "unit": "ms", "ours": ours, "against": sides, "lost": 0, "duplicates": 0}
        )
    )


def main() -> None:
    """Parse the options, run, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    asyncio.run(_run(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
