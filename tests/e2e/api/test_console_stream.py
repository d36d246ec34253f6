"""The live tail of the console behind a real server: it ends with its client, with the server, and with the session."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from service.console.session import ConsoleSession
from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Message
from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, fake_api
from tests.support.wait import eventually

_PATH = "/console/tail/stream"


@pytest.fixture
async def api() -> AsyncIterator[ApiFixture]:
    async with fake_api() as api:
        yield api


def cookie(api: ApiFixture, role: str = "viewer") -> dict[str, str]:
    session = ConsoleSession.begin("tester", "Tester", [role], api.clock.now_ms() / 1000)
    return {"Cookie": f"tocsin-console={api.app.state.console.sessions.close(session)}"}


async def publish(api: ApiFixture, recipient: str, **fields: str) -> None:
    key = event_key("/x", recipient)
    outcome = Outcome(
        *(delivery_id(key, recipient, "email"), key, "overbid", recipient, "email", State.sent),
        api.clock.now_ms(),
        **fields,
    )
    await api.publisher.publish([Message("dispatch.outcomes", b"", outcome.to_bytes())])


async def rows(response: httpx.Response) -> AsyncIterator[list[object]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            for row in orjson.loads(line.removeprefix("data: "))["rows"]:
                yield row


async def test_what_matches_comes_masked(api: ApiFixture) -> None:
    """Only what the filter matches, with addresses masked and invisible characters made visible."""
    async with (
        served(api) as client,
        client.stream("GET", f"{_PATH}?recipient=bob", headers=cookie(api)) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        await eventually(lambda: api.app.state.console.recent.watches == 1)
        await publish(api, "alice")
        await publish(api, "bob", relay="relay1", reply="250 \u202e bob@example.com")
        async with asyncio.timeout(30):
            row = await anext(rows(response))
        assert row[1:4] == ["sent", "email", "bob"]
        assert row[6] == "relay1 250 \\u202e b•••@e•••.com"


async def test_a_stream_ends_with_its_client(api: ApiFixture) -> None:
    """And nothing is kept of it; another that is still open does not keep the server from stopping."""
    async with served(api) as client:
        async with client.stream("GET", _PATH, headers=cookie(api)):
            await eventually(lambda: api.app.state.console.recent.watches == 1)
        await eventually(lambda: api.app.state.console.recent.watches == 0)
        request = client.build_request("GET", _PATH, headers=cookie(api))
        await client.send(request, stream=True)
        await eventually(lambda: api.app.state.console.recent.watches == 1)


async def test_who_may_open_one(api: ApiFixture) -> None:
    """Those with a role; a HEAD is answered at once; a filter that is none is refused."""
    async with served(api) as client:
        assert (await client.get(_PATH)).status_code == 303
        assert (await client.get(_PATH, headers=cookie(api, "none"))).status_code == 403
        assert (await client.head(_PATH, headers=cookie(api))).status_code == 200
        assert (await client.get(f"{_PATH}?state=x", headers=cookie(api))).status_code == 422
