"""A relay in memory. Its simulator addresses have the same results as with the mail catcher."""

import asyncio
from collections import Counter

from service.model.mail import OutgoingMail, Reply, SendResult, SendStatus
from service.model.reasons import Reason, SendReason

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


class FakeMailTransport:
    """Implements the MailTransport port: accepts mail to all other addresses.

    `unavailable`: accepts nothing. `hold`: answers only when `release` is called. `fixed`: the result of every message.
    """

    def __init__(self) -> None:
        self.unavailable = False
        self.hold = False
        self.fixed: SendResult | None = None
        self.accepted: list[OutgoingMail] = []
        self._held: list[tuple[OutgoingMail, asyncio.Future[SendResult]]] = []

    def submit(self, mail: OutgoingMail) -> "asyncio.Future[SendResult]":
        future: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        if self.hold:
            self._held.append((mail, future))
        else:
            self._answer(mail, future)
        return future

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
        if self.unavailable:
            future.set_result(SendResult(SendStatus.unsent, Reason.relay_unavailable))
            return
        result = self.fixed or _SIMULATED.get(mail.recipient)
        if result is None or result.status is SendStatus.ambiguous:
            self.accepted.append(mail)
        future.set_result(
            result
            or SendResult(
                SendStatus.accepted, SendReason.accepted, Reply(250, "2.0.0", "ok"), "fake", "final"
            )
        )
