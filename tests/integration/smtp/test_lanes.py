"""Urgent mail goes first at a relay, whatever waits there: for a connection, for its domain, a claim, or the rate."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from service.model.catalogue import Lane
from service.model.mail import OutgoingMail, SendStatus
from tests.fakes.claims import FakeClaims
from tests.integration.smtp.rig import SteadyRate, engine, mail, relay
from tests.support.smtp_server import ScriptedServer

_BULK = 300


class _LimitedDomains(SteadyRate):
    """A relay's rate, behind limits of each domain that are never reached."""

    def is_limited(self, domain: str) -> bool:
        return True

    async def acquire(self, relay: str, domain: str, n: int) -> float:
        return 0.0 if domain else await super().acquire(relay, domain, n)


def one(number: int, lane: Lane, domains: int) -> OutgoingMail:
    """Return a message of a lane; the recipients are spread over so many domains."""
    return replace(mail(number, f"user{number}@example{number % domains}.com"), lane=lane)


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"domains": 1},
        {"max_connections": 4, "domain_concurrency": 2},
        {"limit": SteadyRate},
        {"limit": _LimitedDomains},
        {"claims": True},
        {"claims": True, "domains": 1, "max_connections": 4},
    ],
    ids=str,
)
async def test_an_urgent_message_overtakes_bulk(case: Mapping[str, Any]) -> None:
    """Of 300 bulk messages before it, the relay gets those that were on their way, and then the urgent one."""
    changes = {name: case[name] for name in ("max_connections", "domain_concurrency") if name in case}
    domains = case.get("domains", 50)
    claims = FakeClaims() if case.get("claims") else None
    limit = case["limit"](400.0) if "limit" in case else None
    async with ScriptedServer() as server, engine(relay(server, **changes), limit=limit) as transport:
        waiting = [transport.submit(one(n, Lane.bulk, domains), claims) for n in range(_BULK)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        urgent = await transport.submit(one(_BULK, Lane.high, domains), claims)
        left = sum(not future.done() for future in waiting)
        results = await asyncio.gather(*waiting)

    assert {result.status for result in (urgent, *results)} == {SendStatus.accepted}
    assert left > _BULK / 2
