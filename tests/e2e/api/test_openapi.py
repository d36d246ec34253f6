"""Requests generated from the OpenAPI document get no 5xx, and only documented responses."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.api import outcome_streams
from service.api.app import bare_app
from service.api.reference.openapi import document
from service.api.routes import inbox_stream
from service.api.server import ApiServer
from service.model.recipient import Contact
from service.settings import HttpSettings
from tests.support.api_fixture import ACCOUNT, HIGH_LIMITS, PASSWORD, fake_api, inbox_item, token
from tests.support.wait import until

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


STATUSES: Counter[int] = Counter()


class _Server(ApiServer):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Yield the URL of the API on in-memory ports, served by its own thread, with a row in every table."""
    servers: list[_Server] = []

    async def serve() -> None:
        async with fake_api(limits=HIGH_LIMITS) as api:
            await api.add(inbox_item("overbid", id="0", lot_id="1"), inbox_item("winner", "bob", id="1"))
            await api.writes.put_contacts([Contact(uuid="0", account=ACCOUNT, email="a@example.com")])
            servers.append(_Server(api.app, HttpSettings(), port=0))
            await servers[0].serve()

    streams = (inbox_stream, outcome_streams)
    max_stream_s = [module._MAX_STREAM_S for module in streams]
    for module in streams:
        module._MAX_STREAM_S = 0.05
    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert until(lambda: bool(servers and servers[0].started))
    yield f"http://127.0.0.1:{servers[0].port}"
    servers[0].should_exit = True
    thread.join(10)
    for module, seconds in zip(streams, max_stream_s, strict=True):
        module._MAX_STREAM_S = seconds


schema = schemathesis.openapi.from_dict(document(bare_app()))


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_route(base_url: str, case: schemathesis.Case) -> None:
    """No 5xx, and no undocumented status, media type or body."""
    scopes = ("inbox", "tokens", "tables", "events", "operate")
    if "/2.0/" in case.path:
        answer = case.call(base_url=base_url, auth=(ACCOUNT, PASSWORD), timeout=20)
    else:
        answer = case.call(
            base_url=base_url, headers={"Authorization": f"Bearer {token('alice', *scopes)}"}, timeout=20
        )

    STATUSES[answer.status_code] += 1
    case.validate_response(answer, checks=CHECKS)


def test_most_were_authorized(base_url: str) -> None:
    """Most of the requests above were authorized; a few are generated without a credential."""
    if not STATUSES:
        pytest.skip("needs the requests of test_every_route, which did not run")
    assert STATUSES.total() > 100
    assert STATUSES[401] < STATUSES.total() / 4
    successes = STATUSES[200] + STATUSES[202] + STATUSES[204]
    assert successes > STATUSES.total() / 10  # a schema with more fields has more invalid bodies
