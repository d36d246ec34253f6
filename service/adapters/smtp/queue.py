"""Mails that wait for a connection, so that none waits behind a slow destination."""

import asyncio
from collections import deque

from service.model.mail import OutgoingMail, SendResult

_MOST_IDLE_DOMAINS = 10_000


class DomainQueue:
    """A destination domain. `active`: connections that carry mail to it; `parked`: mails that must wait for them."""

    __slots__ = ("active", "name", "parked", "slow")

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = 0
        self.slow = False
        self.parked: deque[PendingMail] = deque()


class PendingMail:
    """A submitted mail. `body`: dot-stuffed content, once it is on its way. `attempted`: a relay has seen its envelope.

    `domain` is set while it is on its way; a `rider` follows its `front` to the same domain on one connection,
    and the two take one place of the domain's. `dot_at` is the loop's time when the final dot was written.
    """

    __slots__ = (
        "attempted",
        "body",
        "domain",
        "domain_name",
        "dot_at",
        "front",
        "future",
        "mail",
        "rider",
        "tries",
    )

    def __init__(self, mail: OutgoingMail, domain: str, future: "asyncio.Future[SendResult]") -> None:
        self.mail = mail
        self.body = b""
        self.domain_name = domain
        self.future = future
        self.domain: DomainQueue | None = None
        self.front: PendingMail | None = None
        self.rider: PendingMail | None = None
        self.tries = 0
        self.attempted = False
        self.dot_at = 0.0

    def resolve(self, result: SendResult) -> None:
        """Tell the caller, unless it no longer wants to know."""
        if not self.future.done():
            self.future.set_result(result)


class MailQueue:
    """A queue that lets a domain have at most `limit` connections at a time, `slow_limit` when it is slow."""

    def __init__(self, limit: int, slow_limit: int = 1) -> None:
        self.ready: deque[PendingMail] = deque()
        self.active = 0
        self._parked = 0
        self._limit = limit
        self._slow_limit = slow_limit
        self._domains: dict[str, DomainQueue] = {}

    def __len__(self) -> int:
        return len(self.ready) + self._parked

    def push(self, pending: PendingMail, *, first: bool = False) -> None:
        """Queue a mail; `first` for one that was taken before."""
        if first:
            self.ready.appendleft(pending)
        else:
            self.ready.append(pending)

    def pop(self, behind: PendingMail | None = None) -> PendingMail | None:
        """The next mail whose domain has room; `behind`: the mail that it will follow on its connection.

        One whose future was cancelled is forgotten: nothing was sent.
        """
        ready = self.ready
        while pending := ready.popleft() if ready else self._parked_behind(behind):
            if pending.future.done():
                continue
            name, parked_before = pending.domain_name, pending.domain is not None
            domain = pending.domain = self._domains.get(name) or self._known(name)
            if behind is not None and behind.domain is domain:
                if domain.parked and not parked_before:  # those that were parked before it go first
                    domain.parked.append(pending)
                    ready.appendleft(domain.parked.popleft())
                    continue
                behind.rider, pending.front = pending, behind
            elif domain.active < (self._slow_limit if domain.slow else self._limit):
                domain.active += 1
            else:
                domain.parked.append(pending)
                self._parked += 1
                continue
            self.active += 1
            return pending
        return None

    def _parked_behind(self, behind: PendingMail | None) -> PendingMail | None:
        """What is parked but may follow a mail to its own domain."""
        if behind is None or behind.domain is None or not behind.domain.parked:
            return None
        self._parked -= 1
        return behind.domain.parked.popleft()

    def release(self, pending: PendingMail) -> None:
        """A mail that was taken has come to its end here."""
        domain, pending.domain = pending.domain, None
        if domain is None:
            return
        self.active -= 1
        front, rider = pending.front, pending.rider
        pending.front = pending.rider = None
        if rider is not None:
            rider.front = None  # it keeps the place
        elif front is not None:
            front.rider = None
        else:
            domain.active -= 1
            if domain.parked:
                self._parked -= 1
                self.ready.appendleft(domain.parked.popleft())

    def drain(self) -> list[PendingMail]:
        """Take out everything that waits, in order within a domain."""
        waiting = [*self.ready]
        self.ready.clear()
        for domain in self._domains.values():
            waiting.extend(domain.parked)
            domain.parked.clear()
        self._parked = 0
        return waiting

    def _known(self, name: str) -> DomainQueue:
        if len(self._domains) >= _MOST_IDLE_DOMAINS:
            self._domains = {n: d for n, d in self._domains.items() if d.active or d.parked}
        domain = self._domains[name] = DomainQueue(name)
        return domain
