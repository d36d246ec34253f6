"""The embedded stack of `tocsin dev`."""

import re
from pathlib import Path

import httpx
import pytest

from service.dev.sample_run import follow, publish_samples, relay_replies
from service.dev.stack import DevStack
from service.model.ledger import State
from tests.support.dev_stack import stack_in
from tests.support.wait import eventually


async def start_page_works(stack: DevStack) -> None:
    """The page links to all parts, explains the samples, publishes an event, and answers to no other site."""
    assert stack.catcher is not None
    async with httpx.AsyncClient(base_url=stack.http_url) as web:
        page = (await web.get("/")).text
        for title in ("Message from the seller", "Payment failed", "Invoice available"):
            assert title in page
        explanation = await web.get(re.findall(r'href="(/start/explain/[0-9a-f]+)"', page)[0])
        assert "2.0.0 Ok: caught" in explanation.text
        assert (await web.get("/start/explain/0")).status_code == 404
        for url in (f"{stack.catcher.url}/preview", f"{stack.catcher.url}/"):
            assert url.removesuffix("/") in page
            assert (await web.get(url, follow_redirects=True)).status_code == 200
        preferences = await web.get("/start/preferences", follow_redirects=True)
        assert "a•••@e•••.com" in preferences.text
        bearer = {"Authorization": f"Bearer {(await web.get('/start/token')).json()['access_token']}"}
        unread = len((await web.get("/notifications", headers=bearer)).json()["data"])
        published = await web.post("/start/events", json={"type": "overbid"})
        assert published.status_code == 202

        async def arrived() -> bool:
            entries = (await web.get("/notifications", headers=bearer)).json()["data"]
            events = (await web.get("/start/events")).text
            return len(entries) == unread + 1 and "New high bidder" in events and "chip open" not in events

        await eventually(arrived, 30)
        assert (await web.post("/start/events", json={"type": "none"})).status_code == 422
        for headers in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for path in ("/", "/start/token", "/start/events"):
                assert (await web.get(path, headers=headers)).status_code == 403


@pytest.mark.timeout(240)
async def test_the_stack_starts_again_on_its_data(tmp_path: Path) -> None:
    """Redis is another server after each start, so what it may lack is read from Kafka; it has all that it had."""
    first = stack_in(tmp_path)
    try:
        parts = await first.start()
        results = await follow(parts, await publish_samples(parts), 60)
        assert all(result.finished for result in results)
        sent = {entry.delivery for result in results for entry in result.entries if entry.state is State.sent}
        replies = await relay_replies(parts, results)
        assert replies.keys() == sent
        assert {reply.partition(" ")[2] for reply in replies.values()} == {"250 2.0.0 Ok: caught"}
        await start_page_works(first)
        before = await parts.table_counts()
    finally:
        await first.stop()
    second = stack_in(tmp_path)
    try:
        parts = await second.start()
        assert await parts.completeness.incomplete() is None
        assert await parts.table_counts() == before
    finally:
        await second.stop()
