"""Queue messages for a connection, so that none waits behind a slow destination."""

import asyncio
from collections import deque

from service.model.mail import OutgoingMail, SendResult

_MAX_IDLE_DOMAINS = 10_000


class DomainQueue:
    """A destination domain. `active`: connections that carry its messages; `parked`: messages that wait for one."""

    __slots__ = ("active", "name", "parked", "slow")

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = 0
        self.slow = False
        self.parked: deque[PendingMail] = deque()


class PendingMail:
    """A submitted message. `body`: dot-stuffed content, set with the envelope. `attempted`: a relay saw its envelope.

    `domain` is set while it is in flight. A `follower` goes behind its `leader` to the same domain on one connection,
    and the two count as one connection of the domain. `end_of_data_s`: when the end of data was written, in seconds of
    the monotonic clock.
    """

    __slots__ = (
        "attempted",
        "body",
        "domain",
        "domain_name",
        "end_of_data_s",
        "follower",
        "future",
        "leader",
        "mail",
        "tries",
    )

    def __init__(self, mail: OutgoingMail, domain: str, future: "asyncio.Future[SendResult]") -> None:
        self.mail = mail
        self.body = b""
        self.domain_name = domain
        self.future = future
        self.domain: DomainQueue | None = None
        self.leader: PendingMail | None = None
        self.follower: PendingMail | None = None
        self.tries = 0
        self.attempted = False
        self.end_of_data_s = 0.0

    def resolve(self, result: SendResult) -> None:
        """Set the result, unless the caller has cancelled the future."""
        if not self.future.done():
            self.future.set_result(result)


class MailQueue:
    """A queue that gives a domain at most `limit` connections at a time, `slow_limit` when it is slow."""

    def __init__(self, limit: int, slow_limit: int = 1) -> None:
        self.ready: deque[PendingMail] = deque()
        self.active = 0
        self._parked = 0
        self._limit = limit
        self._slow_limit = slow_limit
        self._domains: dict[str, DomainQueue] = {}

    def __len__(self) -> int:
        return len(self.ready) + self._parked

    @property
    def domains_seen(self) -> int:
        """Return the destination domains that messages went to, as far as they are remembered."""
        return len(self._domains)

    def push(self, pending: PendingMail, *, first: bool = False) -> None:
        """Queue a message; `first` for one that was in flight before."""
        if first:
            self.ready.appendleft(pending)
        else:
            self.ready.append(pending)

    def pop(self, leader: PendingMail | None = None) -> PendingMail | None:
        """Return the next message whose domain has room; `leader`: the message it will follow on its connection.

        Drop a message whose future was cancelled: nothing was sent.
        """
        ready = self.ready
        while pending := ready.popleft() if ready else self._parked_behind(leader):
            if pending.future.done():
                continue
            name, was_parked = pending.domain_name, pending.domain is not None
            domain = pending.domain = self._domains.get(name) or self._add_domain(name)
            if leader is not None and leader.domain is domain:
                # Messages parked earlier go first, or a newer message would overtake them.
                if domain.parked and not was_parked:
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
            if domain.parked:
                self._parked -= 1
                self.ready.appendleft(domain.parked.popleft())

    def drain(self) -> list[PendingMail]:
        """Remove and return every queued message, in order within a domain."""
        queued = [*self.ready]
        self.ready.clear()
        for domain in self._domains.values():
            queued.extend(domain.parked)
            domain.parked.clear()
        self._parked = 0
        return queued

    def _add_domain(self, name: str) -> DomainQueue:
        if len(self._domains) >= _MAX_IDLE_DOMAINS:
            self._domains = {n: d for n, d in self._domains.items() if d.active or d.parked}
        domain = self._domains[name] = DomainQueue(name)
        return domain
