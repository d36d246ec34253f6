"""A relay in memory. Its simulator addresses have the same results as with the mail catcher."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from service.model.mail import OutgoingMail, Reply, SendResult, SendStatus
from service.model.reasons import Reason, SendReason
from service.ports import MailClaims

_SIMULATED = {
    "deferred@simulator.test": SendResult(
        SendStatus.deferred, Reason.temporary, Reply(451, "4.7.1", "try again later"), "fake", "rcpt"
    ),
    "bounced@simulator.test": SendResult(
        SendStatus.bounced,
        Reason.mailbox_unknown,
        Reply(550, "5.1.1", "no such user"),
        "fake",
        "rcpt",
        suppress=True,
    ),
    "dropped@simulator.test": SendResult(SendStatus.ambiguous, Reason.lost_after_data, None, "fake", "final"),
}


async def _at_once() -> None:
    """Wait for nothing."""


class FakeMailTransport:
    """Implements the MailTransport port: accepts mail to all other addresses.

    `unavailable`: accepts nothing. `hold`: answers only when `release` is called. `fixed`: the result of every message.
    `before_claim` is awaited before messages are claimed, `before_body` after.
    """

    def __init__(self) -> None:
        self.unavailable = False
        self.closing = False
        self.before_claim: Callable[[], Awaitable[None]] = _at_once
        self.before_body: Callable[[], Awaitable[None]] = _at_once
        self.hold = False
        self.fixed: SendResult | None = None
        self.accepted: list[OutgoingMail] = []
        self._held: list[tuple[OutgoingMail, asyncio.Future[SendResult]]] = []
        self._unclaimed: dict[MailClaims, list[tuple[OutgoingMail, asyncio.Future[SendResult]]]] = {}
        self._claiming: set[asyncio.Task[None]] = set()

    def submit(self, mail: OutgoingMail, claims: MailClaims | None = None) -> "asyncio.Future[SendResult]":
        future: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        if self.unavailable:
            future.set_result(SendResult(SendStatus.unsent, Reason.relay_unavailable))
        elif claims is None:
            self._send(mail, future)
        else:
            self._unclaimed.setdefault(claims, []).append((mail, future))
            if len(self._unclaimed[claims]) == 1:
                task = asyncio.get_running_loop().create_task(self._claim(claims))
                self._claiming.add(task)
                task.add_done_callback(self._claiming.discard)
        return future

    async def _claim(self, claims: MailClaims) -> None:
        """Claim what was submitted together, and send what is claimed while its lease holds."""
        await self.before_claim()
        group = [(mail, future) for mail, future in self._unclaimed.pop(claims) if not future.done()]
        leases = await claims.claim([mail for mail, _ in group])
        await self.before_body()
        for (mail, future), lease in zip(group, leases, strict=True):
            if lease is None:
                future.set_result(SendResult(SendStatus.unsent, SendReason.unclaimed))
            elif not lease.holds():
                future.set_result(SendResult(SendStatus.unsent, Reason.lease_over))
            else:
                self._send(mail, future)

    def _send(self, mail: OutgoingMail, future: "asyncio.Future[SendResult]") -> None:
        if self.hold:
            self._held.append((mail, future))
        else:
            self._answer(mail, future)

    def release(self) -> None:
        """Answer the messages that were held."""
        held, self._held = self._held, []
        for mail, future in held:
            self._answer(mail, future)

    @property
    def copies(self) -> Counter[str]:
        """Return how often each delivery was accepted."""
        return Counter(mail.delivery_id for mail in self.accepted)

    def _answer(self, mail: OutgoingMail, future: "asyncio.Future[SendResult]") -> None:
        result = self.fixed or _SIMULATED.get(mail.recipient)
        if result is None or result.status is SendStatus.ambiguous:
            self.accepted.append(mail)
        future.set_result(
            result
            or SendResult(
                SendStatus.accepted, SendReason.accepted, Reply(250, "2.0.0", "ok"), "fake", "final"
            )
        )
