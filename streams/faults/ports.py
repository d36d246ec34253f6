"""Ports that pass a fault point between the effects of a handler. Chaos tests only."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from inspect import iscoroutinefunction
from typing import Any
from weakref import WeakKeyDictionary

from service.bootstrap.parts import Parts
from service.model.mail import SendStatus
from streams.faults.points import Fault

DIGEST_POINTS = (
    "after_windows.add_before_ledger",
    "after_ledger.open_digest",
    "after_due.add_held_before_mark",
    "after_windows.seal_before_claim",
    "before_digested",
    "after_digested_before_claim",
    "before_windows.remove",
)
"""The points that only digests pass, from the opening of a window to its removal."""

POINTS = (
    "before_ledger.open",
    "after_ledger.open",
    "after_inbox.add_before_mark",
    "after_claim_before_send",
    "after_250_before_mark",
    "after_mark_before_outcome",
    "after_due.add_before_mark",
    "after_due.take_before_produce",
    *DIGEST_POINTS,
)


class _FaultPort:
    """A port whose methods pass a point before or after the real call, by tables of method names."""

    def __init__(self, port: Any, before: dict[str, str], after: dict[str, str], fault: Fault) -> None:
        self._port = port
        self._before = before
        self._after = after
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not iscoroutinefunction(method) or (name not in self._before and name not in self._after):
            return method
        return self._wrapped(method, self._before.get(name), self._after.get(name))

    def _wrapped(
        self, method: Callable[..., Awaitable[Any]], before: str | None, after: str | None
    ) -> Callable[..., Awaitable[Any]]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            if before:
                self._fault(before)
            result = await method(*args, **kwargs)
            if after:
                self._fault(after)
            return result

        return wrapper


class _FaultClaims:
    """Claims that pass a point when they were made, before their messages are sent."""

    def __init__(self, claims: Any, fault: Fault) -> None:
        self._claims = claims
        self._fault = fault

    async def claim(self, mails: Any) -> Any:
        leases = await self._claims.claim(mails)
        if any(lease is not None for lease in leases):
            self._fault("after_claim_before_send")
        return leases


class _FaultTransport:
    """A transport that passes a point when a relay has accepted a message, before the ledger has the result."""

    def __init__(self, transport: Any, fault: Fault) -> None:
        self._transport = transport
        self._fault = fault
        # one for each batch, so that its messages are claimed together
        self._claims: WeakKeyDictionary[Any, _FaultClaims] = WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def submit(self, mail: Any, claims: Any) -> Any:
        if claims not in self._claims:
            self._claims[claims] = _FaultClaims(claims, self._fault)
        future = self._transport.submit(mail, self._claims[claims])
        future.add_done_callback(self._resolved)
        return future

    def _resolved(self, done: Any) -> None:
        if not done.cancelled() and done.result().status is SendStatus.accepted:
            self._fault("after_250_before_mark")


class _FaultLedger(_FaultPort):
    """A ledger that passes a point after the transition that follows sending, not after the claim before it.

    Two others are before and after the transition of items that a digest is about to be sent with. A digest is entered
    as held, unlike other deliveries, and passes its own point then.
    """

    async def open(self, heads: Any, entries: Any) -> Any:
        if any(entry.state == "held" for entry in entries):
            answer = await self._port.open(heads, entries)
            self._fault("after_ledger.open_digest")
            return answer
        self._fault("before_ledger.open")
        answer = await self._port.open(heads, entries)
        self._fault("after_ledger.open")
        return answer

    async def transition(self, transitions: Any) -> Any:
        digested = any(transition.to == "digested" for transition in transitions)
        if digested:
            self._fault("before_digested")
        answer = await self._port.transition(transitions)
        if any(transition.to in ("sent", "delivered") for transition in transitions):
            self._fault("after_mark_before_outcome")
        if digested:
            self._fault("after_digested_before_claim")
        return answer


class _FaultDueSet(_FaultPort):
    """A due set that passes one point after the storage of next attempts, and another after that of held deliveries."""

    async def add(self, deliveries: Any, due_ms: Any, states: Any = (), *more: Any) -> None:
        await self._port.add(deliveries, due_ms, states, *more)
        self._fault("after_due.add_held_before_mark" if "held" in states else "after_due.add_before_mark")


def with_fault_points(parts: Parts, fault: Fault) -> Parts:
    """Return the same parts with fault points in their ports."""
    windows = {"add": "after_windows.add_before_ledger", "seal": "after_windows.seal_before_claim"}
    ports: dict[str, Any] = {
        "ledger": _FaultLedger(parts.ledger, {}, {}, fault),
        "inbox": _FaultPort(parts.inbox, {}, {"add": "after_inbox.add_before_mark"}, fault),
        "due": _FaultDueSet(parts.due, {}, {"take": "after_due.take_before_produce"}, fault),
        "digest_windows": _FaultPort(
            parts.digest_windows, {"remove": "before_windows.remove"}, windows, fault
        ),
        "make_transport": cache(lambda: _FaultTransport(parts.transport, fault)),
    }
    return replace(parts, **ports)
