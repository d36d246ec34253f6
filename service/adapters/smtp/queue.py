"""Queue messages for a connection, so that none waits behind a slow destination, or behind less urgent ones.

A message with claims waits unclaimed until it is selected; `look_ahead` has it claimed, and then it is ready.
"""

import asyncio
from typing import Protocol

from service.adapters.smtp.lane_queue import LaneQueue
from service.model.catalogue import Lane
from service.model.mail import OutgoingMail, SendResult, SendStatus
from service.model.reasons import ResultReason
from service.ports import Lease, MailClaims

_MAX_IDLE_DOMAINS = 10_000


class DomainQueue:
    """A destination domain. `active`: connections that carry its messages; `parked`: messages that wait for one.

    `claimed`: messages that are being claimed, or are claimed and not in flight; `unclaimed` wait for these.
    """

    __slots__ = ("active", "claimed", "name", "parked", "slow", "unclaimed")

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = 0
        self.slow = False
        self.parked = LaneQueue[PendingMail]()
        self.claimed = 0
        self.unclaimed = LaneQueue[PendingMail]()


class PendingMail:
    """A submitted message. `body`: dot-stuffed content, set with the envelope. `attempted`: a relay saw its envelope.

    `unable`: the relays that can never take it.

    `domain` is set while it is in flight. A `follower` goes behind its `leader` to the same domain on one connection,
    and the two count as one connection of the domain. `end_of_data_s`: when the end of data was written, in seconds of
    the monotonic clock. `lease` is that of its claim, once it is claimed; `selected`: the domain that counts it.
    """

    __slots__ = (
        "attempted",
        "body",
        "claims",
        "domain",
        "domain_name",
        "end_of_data_s",
        "follower",
        "future",
        "leader",
        "lease",
        "mail",
        "selected",
        "tries",
        "unable",
    )

    def __init__(
        self,
        mail: OutgoingMail,
        domain: str,
        future: "asyncio.Future[SendResult]",
        claims: MailClaims | None = None,
    ) -> None:
        self.mail = mail
        self.claims = claims
        self.lease: Lease | None = None
        self.selected: DomainQueue | None = None
        self.body = b""
        self.domain_name = domain
        self.future = future
        self.domain: DomainQueue | None = None
        self.leader: PendingMail | None = None
        self.follower: PendingMail | None = None
        self.tries = 0
        self.attempted = False
        self.unable: frozenset[str] = frozenset()
        self.end_of_data_s = 0.0

    @property
    def lane(self) -> Lane:
        """Return the lane of the message."""
        return self.mail.lane

    @property
    def claimable(self) -> bool:
        """Return whether it must be claimed before it is sent."""
        return self.claims is not None and self.lease is None

    def may_be_sent(self) -> bool:
        """Return whether no other worker can have taken over its claim."""
        return self.lease is None or self.lease.holds()

    def resolve(self, result: SendResult) -> None:
        """Set the result, unless the caller has cancelled the future."""
        if not self.future.done():
            self.future.set_result(result)

    def resolve_unsent(self, reason: ResultReason, relay: str) -> None:
        """Set the result of a message that was not sent, through no fault of its own."""
        self.resolve(SendResult(SendStatus.unsent, reason, relay=relay))


class Route(Protocol):
    """Find a relay for a message again; where none is usable, its result is `fallback`, or says that there is none."""

    def __call__(self, pending: PendingMail, fallback: SendResult | None = None) -> None:
        """Give the message to a pool, or resolve it."""
        ...


class MailQueue:
    """A queue that gives a domain at most `limit` connections at a time, `slow_limit` when it is slow."""

    def __init__(self, limit: int, slow_limit: int = 1) -> None:
        self.ready = LaneQueue[PendingMail]()
        self.unclaimed = LaneQueue[PendingMail]()
        self.active = 0
        self._parked = self._parked_unclaimed = 0
        self._limit = limit
        self._slow_limit = slow_limit
        self._domains: dict[str, DomainQueue] = {}

    def __len__(self) -> int:
        return len(self.ready) + len(self.unclaimed) + self._parked + self._parked_unclaimed

    @property
    def startable(self) -> int:
        """Return how many messages could use a connection now; some of them must be claimed first."""
        return len(self.ready) + len(self.unclaimed)

    @property
    def domains_seen(self) -> int:
        """Return the destination domains that messages went to, as far as they are remembered."""
        return len(self._domains)

    def push(self, pending: PendingMail, *, first: bool = False) -> None:
        """Queue a message; `first` for one that was in flight before."""
        queue = self.unclaimed if pending.claimable else self.ready
        if first:
            queue.appendleft(pending)
        else:
            queue.append(pending)

    def select(self, most: int, most_of_domain: int) -> list[PendingMail]:
        """Remove and return the next messages to be claimed, at most `most_of_domain` of them waiting for one domain.

        Without that limit, messages to a domain that does not answer would all be claimed, one after the other, and
        would be in doubt if this worker died. A slow domain has one.
        """
        selected: list[PendingMail] = []
        while self.unclaimed and len(selected) < most:
            pending = self.unclaimed.popleft()
            if pending.future.done():
                continue
            domain = self._domains.get(pending.domain_name) or self._add_domain(pending.domain_name)
            if domain.claimed >= (1 if domain.slow else most_of_domain):
                domain.unclaimed.append(pending)
                self._parked_unclaimed += 1
                continue
            domain.claimed += 1
            pending.selected = domain
            selected.append(pending)
        return selected

    def deselect(self, pending: PendingMail) -> None:
        """Count a message as claimed no more: it is in flight, or comes back."""
        domain, pending.selected = pending.selected, None
        if domain is not None:
            domain.claimed -= 1
            if domain.unclaimed:
                self._parked_unclaimed -= 1
                self.unclaimed.appendleft(domain.unclaimed.popleft())

    def pop(self, leader: PendingMail | None = None) -> PendingMail | None:
        """Return the next message whose domain has room; `leader`: the message it will follow on its connection.

        Drop a message whose future was cancelled: nothing was sent.
        """
        ready = self.ready
        while pending := ready.popleft() if ready.size else self._parked_behind(leader):
            if pending.future.done():
                self.deselect(pending)
                continue
            name, was_parked = pending.domain_name, pending.domain is not None
            domain = pending.domain = self._domains.get(name) or self._add_domain(name)
            if leader is not None and leader.domain is domain:
                # Messages parked earlier go first, or a newer message would overtake them.
                if domain.parked.size and not was_parked:
                    domain.parked.append(pending)
                    ready.appendleft(domain.parked.popleft())
                    continue
                leader.follower, pending.leader = pending, leader
            elif domain.active < (self._slow_limit if domain.slow else self._limit):
                domain.active += 1
            else:
                domain.parked.append(pending)
                self._parked += 1
                continue
            self.active += 1
            if pending.selected is not None:
                self.deselect(pending)
            return pending
        return None

    def _parked_behind(self, leader: PendingMail | None) -> PendingMail | None:
        """Return a parked message that may follow `leader` to their domain: it needs no connection of its own."""
        if leader is None or leader.domain is None or not leader.domain.parked:
            return None
        self._parked -= 1
        return leader.domain.parked.popleft()

    def release(self, pending: PendingMail) -> None:
        """Free the room of a message that is no longer in flight."""
        domain, pending.domain = pending.domain, None
        if domain is None:
            return
        self.active -= 1
        leader, follower = pending.leader, pending.follower
        pending.leader = pending.follower = None
        if follower is not None:
            follower.leader = None  # it keeps the connection that both counted for
        elif leader is not None:
            leader.follower = None
        else:
            domain.active -= 1
            if domain.parked.size:
                self._parked -= 1
                self.ready.appendleft(domain.parked.popleft())

    def drain(self) -> list[PendingMail]:
        """Remove and return every queued message, in order within a domain."""
        queued = [*self.ready]
        self.ready.clear()
        for domain in self._domains.values():
            queued.extend(domain.parked)
            domain.parked.clear()
            queued.extend(domain.unclaimed)
            domain.unclaimed.clear()
        queued.extend(self.unclaimed)
        self.unclaimed.clear()
        self._parked = self._parked_unclaimed = 0
        for pending in queued:
            self.deselect(pending)
        return queued

    def _add_domain(self, name: str) -> DomainQueue:
        if len(self._domains) >= _MAX_IDLE_DOMAINS:
            self._domains = {
                n: d for n, d in self._domains.items() if d.active or d.parked or d.claimed or d.unclaimed
            }
        domain = self._domains[name] = DomainQueue(name)
        return domain
